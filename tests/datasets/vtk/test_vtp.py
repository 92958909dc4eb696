"""A .vtp file reads back whole, in every coding that VTK writes, or is refused by name."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from formwright.datasets.errors import FlowFileError
from formwright.datasets.vtk.vtp import PolyData, read_vtp, write_vtp

REALS = st.floats(-1e6, 1e6, width=32)


@st.composite
def parts(draw):
    """Return the arguments of a PolyData; its check of shapes may not run in here."""
    n = draw(st.integers(2, 12))
    cell = hnp.arrays(np.int64, st.integers(3, 6), elements=st.integers(0, n - 1))
    lines, polygons = draw(st.lists(cell, max_size=4)), draw(st.lists(cell, max_size=4))
    dtype = draw(st.sampled_from(["f4", "f8"]))
    count = len(lines) + len(polygons)
    return dict(
        points=draw(hnp.arrays(dtype, (n, 3), elements=REALS)),
        lines=tuple(lines),
        polygons=tuple(polygons),
        point_data={"U": draw(hnp.arrays("f4", (n, 3), elements=REALS))},
        cell_data={"p": draw(hnp.arrays(dtype, count, elements=REALS))},
    )


def same(first: PolyData, second: PolyData) -> bool:
    pairs = [(first.points, second.points)]
    pairs += zip(first.lines, second.lines, strict=True)
    pairs += zip(first.polygons, second.polygons, strict=True)
    for a, b in ((first.point_data, second.point_data), (first.cell_data, second.cell_data)):
        assert a.keys() == b.keys()
        pairs += [(a[name], b[name]) for name in a]
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


@settings(max_examples=60, deadline=None)
@given(arrays=parts())
def test_what_is_written_reads_back_exactly(arrays, tmp_path_factory):
    data = PolyData(**arrays)
    path = tmp_path_factory.mktemp("vtp") / "a.vtp"
    write_vtp(path, data)
    assert same(data, read_vtp(path))


def coded(values: np.ndarray, form: str, order: str, header: str, packed: bool) -> bytes:
    """Return an array as VTK codes it: written apart from the module under test."""
    if form == "ascii":
        return " ".join(map(repr, values.ravel().tolist())).encode()
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    lengths = np.dtype(order + header)
    if not packed:
        whole = np.array([len(data)], lengths).tobytes() + data
        return whole if form == "raw" else base64.b64encode(whole)
    blocks = [zlib.compress(data[i : i + 16]) for i in range(0, len(data), 16)]
    last = len(data) % 16
    head = np.array([len(blocks), 16, last, *map(len, blocks)], lengths).tobytes()
    parts = (head, b"".join(blocks))
    return b"".join(parts if form == "raw" else map(base64.b64encode, parts))


def file_of(data: PolyData, form: str, order: str, header: str, packed: bool) -> bytes:
    """Return a .vtp file in any coding."""
    appended, names = b"", {"f4": "Float32", "f8": "Float64", "i8": "Int64"}

    def array(name: str, values: np.ndarray) -> bytes:
        nonlocal appended
        inside = coded(values, "base64" if form == "appended" else form, order, header, packed)
        kind = {"ascii": "ascii", "base64": "binary"}.get(form, "appended")
        width = values.shape[1] if values.ndim > 1 else 1
        tag = f'<DataArray Name="{name}" type="{names[values.dtype.str[1:]]}" format="{kind}"'
        tag += f' NumberOfComponents="{width}"'
        if kind == "appended":
            tag += f' offset="{len(appended)}"'
            appended += inside
            inside = b""
        return tag.encode() + b">" + inside + b"</DataArray>"

    corners = np.concatenate(data.lines).astype(np.int64)
    ends = np.cumsum([len(line) for line in data.lines]).astype(np.int64)
    endian = {"<": "LittleEndian", ">": "BigEndian"}[order]
    body = b"<PointData>" + array("U", data.point_data["U"]) + b"</PointData>"
    body += b"<Points>" + array("xyz", data.points) + b"</Points>"
    body += b"<Lines>" + array("connectivity", corners) + array("offsets", ends) + b"</Lines>"
    start = f'<VTKFile type="PolyData" byte_order="{endian}" header_type="{header_name(header)}"'
    start += ' compressor="vtkZLibDataCompressor">' if packed else ">"
    start += "<PolyData><Piece "
    start += f'NumberOfPoints="{len(data.points)}" NumberOfLines="{len(data.lines)}">'
    coding = "raw" if form == "raw" else "base64"
    end = f'<AppendedData encoding="{coding}">\n _'.encode() + appended + b"\n</AppendedData>"
    tail = end if form in ("raw", "appended") else b""
    return start.encode() + body + b"</Piece></PolyData>" + tail + b"</VTKFile>"


def header_name(code: str) -> str:
    return {"u4": "UInt32", "u8": "UInt64"}[code]


RING = PolyData(
    points=np.random.default_rng(0).normal(size=(7, 3)),
    lines=tuple(np.array([i, (i + 1) % 7]) for i in range(7)),
    point_data={"U": np.random.default_rng(1).normal(size=(7, 3)).astype("f4")},
)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("header", ["u4", "u8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["ascii", "base64", "appended", "raw"])
def test_every_coding_of_vtk_is_read(form, order, header, packed, tmp_path):
    content = file_of(RING, form, order, header, packed)
    path = tmp_path / "a.vtp"
    path.write_bytes(content)
    assert same(RING, read_vtp(path))
    for length in range(0, len(content) - len(b"</VTKFile>"), max(1, len(content) // 60)):
        path.write_bytes(content[:length])
        with pytest.raises(FlowFileError, match=r"a\.vtp"):
            read_vtp(path)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_damaged_byte_is_refused_or_changes_numbers_only(place, byte, tmp_path_factory):
    path = tmp_path_factory.mktemp("vtp") / "a.vtp"
    write_vtp(path, RING)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(content)
    try:
        found = read_vtp(path)
    except FlowFileError:
        return
    assert found.points.shape[1] == 3
    assert all(line.max() < len(found.points) for line in found.lines)


def test_segments_and_triangles():
    data = PolyData(
        points=np.zeros((5, 3)),
        lines=(np.array([0, 1, 2]),),
        polygons=(np.array([0, 1, 2, 3]), np.array([2, 3, 4])),
    )
    assert data.segments().tolist() == [[0, 1], [1, 2]]
    assert data.triangles().tolist() == [[0, 1, 2], [0, 2, 3], [2, 3, 4]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b'type="PolyData"', b'type="UnstructuredGrid"'), "type 'UnstructuredGrid'"),
        ((b"vtkZLibDataCompressor", b"vtkLZ4DataCompressor"), "only zlib"),
        ((b'NumberOfVerts="0"', b'NumberOfVerts="3"'), "3 Verts"),
        ((b'NumberOfPoints="7"', b'NumberOfPoints="8"'), "'U' holds 21 numbers|cut off|cut"),
        ((b'Name="offsets"', b'Name="ends"'), "lacks the array 'offsets'"),
        ((b"<Piece", b"<Part"), "cut|pieces"),
    ],
)
def test_other_files_are_refused_by_what_is_wrong(change, message, tmp_path):
    path = tmp_path / "a.vtp"
    write_vtp(path, RING)
    path.write_bytes(path.read_bytes().replace(*change))
    with pytest.raises(FlowFileError, match=message):
        read_vtp(path)


def test_absent_file_is_named(tmp_path):
    with pytest.raises(FlowFileError, match="none.vtp"):
        read_vtp(tmp_path / "none.vtp")


@pytest.mark.parametrize(
    ("announced", "message"),
    [(64, "more than the 64 bytes that it announces"), (1 << 31, "unpacks to 2,147,483,648")],
)
def test_arrays_do_not_unpack_to_more_than_they_announce_nor_to_anything(
    announced, message, tmp_path
):
    packed = zlib.compress(bytes(1 << 20))
    head = np.array([1, announced, 0, len(packed)], dtype="<u4").tobytes()
    coded = base64.b64encode(head) + base64.b64encode(packed)
    path = tmp_path / "a.vtp"
    write_vtp(path, RING)
    whole = path.read_bytes()
    start = whole.index(b">", whole.index(b"<DataArray")) + 1
    path.write_bytes(whole[:start] + coded + whole[whole.index(b"<", start) :])
    with pytest.raises(FlowFileError, match=message):
        read_vtp(path)


def test_tags_within_tags_without_end_are_refused(tmp_path):
    path = tmp_path / "deep.vtp"
    path.write_bytes(b'<VTKFile type="PolyData">' + b"<a>" * 100_000)
    with pytest.raises(FlowFileError, match="no whole VTK file"):
        read_vtp(path)

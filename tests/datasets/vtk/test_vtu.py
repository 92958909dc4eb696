"""A .vtu file reads back whole in every coding that VTK writes; other compressors are named."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import meshio
import numpy as np
import pytest

from formwright.datasets.errors import FlowFileError
from formwright.datasets.vtk.vtu import Mesh, read_vtu, write_vtu

RNG = np.random.default_rng(0)
MESH = Mesh(
    points=RNG.normal(size=(9, 3)),
    corners=np.array([0, 1, 4, 3, 1, 2, 5, 4, 3, 4, 7, 4, 5, 8, 7, 6, 7]),
    ends=np.array([4, 8, 11, 15, 17]),
    kinds=np.array([9, 9, 5, 9, 3]),
    point_data={"a": RNG.normal(size=9)},
    cell_data={
        "U": RNG.normal(size=(5, 3)).astype("f4"),
        "p": RNG.normal(size=5).astype("f4"),
        "nut": RNG.normal(size=5).astype("f4"),
    },
    notes={"alpha_deg": np.array([2.5]), "axes": "those of the file; chord 2.5"},
)
NAMES = {"f4": "Float32", "f8": "Float64", "i8": "Int64", "u1": "UInt8"}
HEADERS = {"u4": "UInt32", "u8": "UInt64"}


def same(first: Mesh, second: Mesh) -> bool:
    for name in ("points", "corners", "ends", "kinds"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    for name in ("point_data", "cell_data", "notes"):
        one, other = getattr(first, name), getattr(second, name)
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[key], other[key]) for key in one), name
    return True


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
    head = np.array([len(blocks), 16, len(data) % 16, *map(len, blocks)], lengths).tobytes()
    parts = (head, b"".join(blocks))
    return b"".join(parts if form == "raw" else map(base64.b64encode, parts))


def file_of(mesh: Mesh, form: str, order: str, header: str, packed: bool) -> bytes:
    """Return a .vtu file in any coding."""
    appended = b""

    def array(name: str, values: np.ndarray, kind: str = "") -> bytes:
        nonlocal appended
        inside = coded(values, "base64" if form == "appended" else form, order, header, packed)
        way = {"ascii": "ascii", "base64": "binary"}.get(form, "appended")
        width = values.shape[1] if values.ndim > 1 else 1
        tag = f'Name="{name}" type="{kind or NAMES[values.dtype.str[1:]]}" format="{way}"'
        tag += f' NumberOfComponents="{width}"'
        if way == "appended":
            tag += f' offset="{len(appended)}"'
            appended += inside
            inside = b""
        word = b"Array" if kind else b"DataArray"
        return b"<" + word + b" " + tag.encode() + b">" + inside + b"</" + word + b">"

    text = np.frombuffer(str(mesh.notes["axes"]).encode() + b"\0", "u1")
    body = b"<FieldData>" + array("alpha_deg", np.asarray(mesh.notes["alpha_deg"]))
    body += array("axes", text, "String") + b"</FieldData>"
    body += f'<Piece NumberOfPoints="{len(mesh.points)}" NumberOfCells="5">'.encode()
    body += b"<PointData>" + array("a", mesh.point_data["a"]) + b"</PointData><CellData>"
    body += b"".join(array(name, values) for name, values in mesh.cell_data.items())
    body += b"</CellData><Points>" + array("xyz", mesh.points) + b"</Points><Cells>"
    body += array("connectivity", mesh.corners) + array("offsets", mesh.ends)
    body += array("types", mesh.kinds.astype("u1")) + b"</Cells></Piece></UnstructuredGrid>"
    endian = {"<": "LittleEndian", ">": "BigEndian"}[order]
    start = f'<VTKFile type="UnstructuredGrid" byte_order="{endian}" header_type='
    start += f'"{HEADERS[header]}"' + (' compressor="vtkZLibDataCompressor">' if packed else ">")
    coding = "raw" if form == "raw" else "base64"
    end = f'<AppendedData encoding="{coding}">\n _'.encode() + appended + b"\n</AppendedData>"
    tail = end if form in ("raw", "appended") else b""
    return start.encode() + b"<UnstructuredGrid>" + body + tail + b"</VTKFile>"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("header", ["u4", "u8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("form", ["ascii", "base64", "appended", "raw"])
def test_every_coding_of_vtk_is_read(form, order, header, packed, tmp_path):
    content = file_of(MESH, form, order, header, packed)
    path = tmp_path / "a.vtu"
    path.write_bytes(content)
    assert same(MESH, read_vtu(path))
    for length in range(0, len(content) - len(b"</VTKFile>"), max(1, len(content) // 40)):
        path.write_bytes(content[:length])
        with pytest.raises(FlowFileError, match=r"a\.vtu"):
            read_vtu(path)


def test_what_is_written_reads_back_exactly_and_by_others(tmp_path):
    path = tmp_path / "a.vtu"
    write_vtu(path, MESH)
    assert same(MESH, read_vtu(path))
    pyvista = pytest.importorskip("pyvista")
    other = pyvista.read(path)
    assert np.array_equal(other.cell_data["nut"], MESH.cell_data["nut"])
    assert np.array_equal(other.celltypes, MESH.kinds)
    assert other.field_data["alpha_deg"].tolist() == [2.5]
    assert other.field_data["axes"][0] == MESH.notes["axes"]


def test_a_file_of_meshio_is_read(tmp_path):
    quads = np.array([[0, 1, 4, 3], [1, 2, 5, 4]])
    fields = {"p": [np.arange(2.0), np.arange(2.0, 3.0)]}
    cells = [("quad", quads), ("line", np.array([[0, 1]]))]
    meshio.vtu.write(tmp_path / "a.vtu", meshio.Mesh(MESH.points[:6], cells, cell_data=fields))
    found = read_vtu(tmp_path / "a.vtu")
    assert found.corners.tolist() == [*quads.ravel().tolist(), 0, 1]
    assert found.kinds.tolist() == [9, 9, 3] and found.cell_data["p"].tolist() == [0.0, 1.0, 2.0]


def test_pieces_are_joined(tmp_path):
    content = file_of(MESH, "ascii", "<", "u4", False)
    start, end = content.index(b"<Piece"), content.index(b"</UnstructuredGrid>")
    empty = b'<Piece NumberOfPoints="0" NumberOfCells="0"><Points><DataArray type="Float64"/>'
    empty += b'</Points><Cells><DataArray Name="connectivity" type="Int64"/><DataArray '
    empty += b'Name="offsets" type="Int64"/><DataArray Name="types" type="UInt8"/></Cells></Piece>'
    (tmp_path / "a.vtu").write_bytes(content[:end] + empty + content[start:])
    found = read_vtu(tmp_path / "a.vtu")
    assert np.array_equal(found.points, np.concatenate([MESH.points, MESH.points]))
    assert np.array_equal(found.corners, np.concatenate([MESH.corners, MESH.corners + 9]))
    assert np.array_equal(found.ends, np.concatenate([MESH.ends, MESH.ends + 17]))
    assert len(found.cell_data["U"]) == len(found.kinds) == 10


@pytest.mark.parametrize("compressor", ["vtkLZ4DataCompressor", "vtkLZMADataCompressor"])
def test_other_compressors_are_named(compressor, tmp_path):
    content = file_of(MESH, "raw", "<", "u8", True)
    other = content.replace(b"vtkZLibDataCompressor", compressor.encode())
    (tmp_path / "a.vtu").write_bytes(other)
    with pytest.raises(FlowFileError, match=f"a.vtu.*{compressor}.*zlib"):
        read_vtu(tmp_path / "a.vtu")


def vtk_file(path: Path, mode: int, encoded: bool, header: int, order: str, packed: bool) -> None:
    """Write the mesh by VTK itself."""
    import pyvista
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    cells = np.split(MESH.corners, MESH.ends[:-1])
    flat = np.concatenate([np.r_[len(cell), cell] for cell in cells])
    grid = pyvista.UnstructuredGrid(flat, MESH.kinds.astype("u1"), MESH.points)
    for name, values in MESH.cell_data.items():
        grid.cell_data[name] = values
    grid.point_data["a"] = MESH.point_data["a"]
    grid.field_data["alpha_deg"] = MESH.notes["alpha_deg"]
    grid.field_data["axes"] = [MESH.notes["axes"]]
    writer = vtkXMLUnstructuredGridWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(grid)
    writer.SetDataMode(mode)
    writer.SetEncodeAppendedData(encoded)
    writer.SetHeaderType(header)
    writer.SetByteOrder(0 if order == ">" else 1)
    if not packed:
        writer.SetCompressorTypeToNone()
    assert writer.Write()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("header", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("mode", "encoded"), [(0, True), (1, True), (2, False), (2, True)])
def test_the_files_of_vtk_itself(mode, encoded, header, order, packed, tmp_path):
    pytest.importorskip("pyvista")
    vtk_file(tmp_path / "a.vtu", mode, encoded, header, order, packed)
    found = read_vtu(tmp_path / "a.vtu")
    assert np.array_equal(found.corners, MESH.corners)
    assert np.allclose(found.points, MESH.points, atol=1e-7)
    for name, values in MESH.cell_data.items():
        assert np.allclose(found.cell_data[name], values, rtol=1e-6)
    assert found.notes["alpha_deg"] == 2.5 and found.notes["axes"] == MESH.notes["axes"]

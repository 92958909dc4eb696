from __future__ import annotations

import numpy as np

from formwright.design.optimise.memory import Memory

X, VALUES, JACOBIAN = np.arange(3.0), np.array([0.5, 2.0]), np.ones((2, 3))


def test_answers_come_back_by_what_was_asked(tmp_path):
    memory = Memory(tmp_path / "answers.npy")
    memory.write(X, VALUES)
    memory.write(X, JACOBIAN)
    again = Memory(tmp_path / "answers.npy")
    assert again.read(X, 1) is not None and again.read(X + 1.0, 1) is None
    np.testing.assert_array_equal(again.read(X, 1), VALUES)
    np.testing.assert_array_equal(again.read(X, 2), JACOBIAN)


def test_no_answer_after_a_flipped_bit_is_believed(tmp_path):
    path = tmp_path / "answers.npy"
    Memory(path).write(X, VALUES)
    first = len(path.read_bytes())
    Memory(path).write(X, JACOBIAN)
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 37):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        known = Memory(path).known
        assert len(known) == (0 if bit // 8 < first else 1)
        assert path.read_bytes() == whole[: first * len(known)]

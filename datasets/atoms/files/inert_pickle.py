"""Pickles read without running them: names and calls come out as records, and nothing is called.

A pickle is a program for a stack machine that may call any function with any arguments; even
harmless names (numpy's ``ndarray`` with a made-up buffer) can end the process. Here the opcodes are
walked one by one (``pickletools.genops``), those that a row of arrays has no need of are refused,
and a call is a ``Call``: whoever wants an array builds it from the record, by checks of its own
(``formwright.datasets.atoms.files.oc20``).
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

from formwright.datasets.errors import CorpusError

_MARK: Final = object()
_NUMBERS: Final = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "INT", "LONG")
_TEXT: Final = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING")
_BYTES: Final = ("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8")
_LITERALS: Final = frozenset((*_NUMBERS, *_TEXT, *_BYTES))
_CONSTANTS: Final[dict[str, Any]] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES: Final = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MEMO_IN: Final = ("BINPUT", "LONG_BINPUT", "MEMOIZE")
_MEMO_OUT: Final = ("BINGET", "LONG_BINGET")


@dataclass(frozen=True, slots=True)
class Name:
    """A function or class that a pickle names, with dots."""

    text: str


@dataclass(slots=True, eq=False)
class Call:
    """A call that a pickle asks for.

    Attributes:
        name: What it would call.
        arguments: With what.
        state: What the object would be given afterwards.
        items: What would be put into it by key.
    """

    name: str
    arguments: tuple[Any, ...]
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outside:
    """What a pickle refers to by an identifier of its own (``persistent_id``)."""

    identifier: Any


def read_pickle(source: bytes | BytesIO, known: Callable[[str], bool]) -> Any:
    """Return what a pickle holds, calls as records; a stream is left behind the pickle's end.

    Args:
        source: Of protocol 2 or later.
        known: Whether a name, with dots, may be recorded.

    Raises:
        CorpusError: It is damaged, names anything else, or asks for what no row of arrays needs.
    """
    machine = _Machine(known)
    try:
        for opcode, argument, _ in pickletools.genops(source):
            machine.step(opcode.name, argument)
        (result,) = machine.stack
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        if isinstance(error, CorpusError):
            raise
        raise CorpusError(f"the pickle is damaged: {error!r}. Get it again.") from error
    return result


class _Machine:
    """The stack, the memo, and what each opcode does to them."""

    def __init__(self, known: Callable[[str], bool]) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.known = known

    def step(self, opcode: str, argument: Any) -> None:
        """Do one opcode."""
        if opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode])
        elif opcode in _TUPLES:
            self.stack.append(tuple(self._pop(_TUPLES[opcode])))
        elif opcode in _MEMO_IN:
            place = len(self.memo) if opcode == "MEMOIZE" else argument
            self.memo[place] = self.stack[-1]
        elif opcode in _MEMO_OUT:
            self.stack.append(self.memo[argument])
        elif opcode not in ("PROTO", "FRAME", "STOP"):
            method = getattr(self, f"_do_{opcode.lower()}", None)
            if method is None:
                raise CorpusError(
                    f"the pickle has the opcode {opcode}, which rows of arrays have no need of."
                )
            method(argument)

    def _pop(self, count: int) -> list[Any]:
        """Take the last items off the stack."""
        if count > len(self.stack):
            raise IndexError(f"{count} items wanted, {len(self.stack)} there")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def _since_mark(self) -> list[Any]:
        """Take off the stack what came since the last mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise IndexError("no mark")
        taken = self._pop(len(self.stack) - place)
        return taken[1:]

    def _do_mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _do_pop(self, _: Any) -> None:
        self._pop(1)

    def _do_empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def _do_empty_list(self, _: Any) -> None:
        self.stack.append([])

    def _do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _do_append(self, _: Any) -> None:
        (item,) = self._pop(1)
        self._list().append(item)

    def _do_appends(self, _: Any) -> None:
        items = self._since_mark()
        self._list().extend(items)

    def _list(self) -> list[Any]:
        """Return the list on top of the stack."""
        if not isinstance(self.stack[-1], list):
            raise TypeError("no list to append to")
        return self.stack[-1]

    _do_empty_set, _do_additems = _do_empty_list, _do_appends

    def _do_setitem(self, _: Any) -> None:
        self._set(self._pop(2))

    def _do_setitems(self, _: Any) -> None:
        self._set(self._since_mark())

    def _set(self, pairs: list[Any]) -> None:
        """Put keys and values into what is on top of the stack."""
        target = self.stack[-1]
        held = target.items if isinstance(target, Call) else target
        if not isinstance(held, dict):
            raise TypeError("nothing to put items into")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str | int):
                raise TypeError(f"a key of type {type(key).__name__}")
            held[key] = value

    def _do_global(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def _do_stack_global(self, _: Any) -> None:
        self._name(*self._pop(2))

    def _name(self, module: Any, name: Any) -> None:
        """Put a name on the stack, if it is a known one."""
        text = f"{module}.{name}"
        if not self.known(text):
            raise CorpusError(
                f"the pickled row names {text}, which rows of OC20 have no need of; running it "
                "could do anything, so it was refused. Convert the shard to .aselmdb where you "
                "trust it."
            )
        self.stack.append(Name(text))

    def _do_reduce(self, _: Any) -> None:
        called, arguments = self._pop(2)
        if not isinstance(called, Name) or not isinstance(arguments, tuple):
            raise TypeError("a call of what is no name")
        self.stack.append(Call(called.text, arguments))

    _do_newobj = _do_reduce

    def _do_build(self, _: Any) -> None:
        (state,) = self._pop(1)
        target = self.stack[-1]
        if not isinstance(target, Call):
            raise TypeError("a state for what is no object")
        target.state = state

    def _do_binpersid(self, _: Any) -> None:
        self.stack.append(Outside(self._pop(1)[0]))

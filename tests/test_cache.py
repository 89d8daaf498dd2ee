"""The cache of training programs: bounded, one fit to a program at a time."""

import pytest

from skjoint._engines.fused import cache as cache_module
from skjoint._engines.fused.cache import ProgramCache


class SmallProgram:
    is_compiled = False
    n_numbers = 100

    def __init__(self, other):
        self.other = other


def any_program(program):
    return True


def test_the_cache_is_bounded_and_drops_what_failed():
    cache = ProgramCache(max_idle=2)
    for key in "abc":
        with cache.borrow(key, any_program, SmallProgram):
            pass
    with (
        cache.borrow("c", any_program, SmallProgram) as first,
        cache.borrow("c", any_program, SmallProgram) as second,
    ):
        assert second.other is first  # and takes over what can be shared
    assert cache.n_built == 4  # the second fit of "c" at the same time has its own
    with cache.borrow("a", any_program, SmallProgram):
        assert cache.n_built == 5  # "a" had gone
    with pytest.raises(KeyError), cache.borrow("c", any_program, SmallProgram) as taken:
        raise KeyError
    with cache.borrow("c", any_program, SmallProgram) as other:
        assert other is not taken


def test_the_cache_keeps_what_is_compiled_while_it_is_not_too_large(monkeypatch):
    """Dropped, it would be compiled once more, and TensorFlow would keep both."""

    class Compiled(SmallProgram):
        is_compiled = True

    cache = ProgramCache(max_idle=2)
    for key in range(5):
        for kind in (Compiled, SmallProgram):
            with cache.borrow((kind, key), any_program, kind):
                pass
    assert sorted(key for kind, key in cache._idle.values() if kind is Compiled) == [0, 1, 2, 3, 4]
    assert [key for kind, key in cache._idle.values() if kind is SmallProgram] == [3, 4]
    monkeypatch.setattr(cache_module, "MAX_IDLE_NUMBERS", 299)
    with cache.borrow((Compiled, 2), any_program, Compiled):
        pass
    assert list(cache._idle.values()) == [(Compiled, 4), (Compiled, 2)]


def test_a_program_that_does_not_fit_is_passed_over():
    cache = ProgramCache()
    with cache.borrow("a", any_program, SmallProgram) as small:
        pass
    with cache.borrow("a", lambda program: program is not small, SmallProgram) as larger:
        assert larger is not small
    with cache.borrow("a", any_program, SmallProgram) as again:
        assert again is small


def test_so_many_programs_may_be_compiled():
    cache = ProgramCache()
    assert [cache.may_compile(2) for _ in range(3)] == [True, True, False]
    assert cache.n_compiled == 2


def test_a_cleared_cache_builds_anew():
    cache = ProgramCache()
    for _ in range(2):
        with cache.borrow("a", any_program, SmallProgram):
            pass
        cache.clear()
    assert cache.n_built == 2

"""What is shown of the backend's output: steps and compilers' words, and of CMake what tells."""

from __future__ import annotations

from build_tools.wheel.output import BackendOutput


def shown(*lines: str) -> tuple[str, int]:
    written: list[str] = []
    output = BackendOutput(written.append)
    for line in lines:
        output(line)
    return "".join(written), output.steps


def test_a_step_is_told_by_what_it_makes_and_counted() -> None:
    text, steps = shown(
        "*** Building project with Ninja...",
        "Change Dir: '/mnt/llamaproof/build'",
        "",
        "Run Build Command(s): ninja -v -j2 llama",
        "[1/59] /usr/bin/g++ -O3 -o src/CMakeFiles/llama.dir/llama.cpp.o -c /tree/src/llama.cpp",
        "[2/59] Linking CXX shared library bin/libllama.so",
    )
    lines = text.splitlines()
    assert lines[0] == "Building project with Ninja..."
    assert lines[1].startswith("[1/59 ") and lines[1].endswith("] llama.cpp.o")
    assert lines[2].endswith("] libllama.so")
    assert (len(lines), steps) == (3, 2)


def test_a_build_with_nothing_to_do_says_so_and_ran_no_step() -> None:
    assert shown("ninja: no work to do.") == ("ninja: no work to do.\n", 0)


def test_a_compilers_words_are_shown_as_they_are() -> None:
    warning = "/mnt/llamaproof/tree/a.cpp:3:1: warning: unused"
    assert shown("*** Building project with Ninja...", warning)[0].splitlines()[1] == warning


def test_of_a_configuration_what_tells_is_shown_and_after_an_error_everything() -> None:
    configuring = ("*** Configuring CMake...", "-- Looking for pthread.h")
    quiet, _ = shown(*configuring, "-- Using CUDA architectures: 89", "-- Configuring done")
    assert quiet == "  -- Using CUDA architectures: 89\n"
    loud, _ = shown(*configuring, "CMake Error at CMakeLists.txt:3:", "  no such file")
    assert loud == "  CMake Error at CMakeLists.txt:3:\n    no such file\n"

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments := true

python := env("PYTHON", "python3")
tools := justfile_directory() / ".venv/bin"
venv := tools / "python"

export PYTHONDONTWRITEBYTECODE := "1"

# List the recipes
default:
    @{{ just_executable() }} --justfile {{ justfile() }} --list --unsorted

# Build a wheel into dist/: just build-wheel CUDA_ARCH=89 (or "80;89;90", 90-real, 90-virtual, cpu; CUDA=12)
build-wheel *SETTINGS: env
    @{{ venv }} -m build_tools wheel "$@"

# Build a wheel again from what it says of itself and compare, byte for byte: just rebuild WHEEL
rebuild *ARGS: env
    @{{ venv }} -m build_tools rebuild "$@"

# Run the fast tests, the formatters' checks, the linters and the type checker
test *ARGS: native
    @{{ venv }} -m build_tools series apply
    @{{ venv }} -m build_tools series lint
    @{{ venv }} -m ruff format --check .
    @{{ venv }} -m ruff check .
    @{{ venv }} -m build_tools cpp-lint
    @{{ venv }} -m mypy python build_tools tests
    @{{ venv }} -m build_tools docs --check
    @{{ tools }}/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
    @{{ tools }}/zizmor --offline --quiet .github/workflows
    @{{ venv }} -m pytest "$@"

# Run the tests that need nvcc and stock libraries (build-wheel with SERIES=none OUT=build/stock)
test-stock: native
    rm -rf build/stock/unpacked
    {{ venv }} -m zipfile -e build/stock/*+stock.*.whl build/stock/unpacked
    CUDA_HOME="$({{ venv }} -m build_tools toolkit)" \
    LLAMAPROOF_STOCK_LIBS={{ justfile_directory() }}/build/stock/unpacked/llama_cpp/lib \
    {{ venv }} -m pytest tests/nvcc tests/stock tests/releases

# Run the tests that need the wheel in dist/ and nvcc: its kernels, sound and with planted defects
test-wheel: native
    CUDA_HOME="$({{ venv }} -m build_tools toolkit)" {{ venv }} -m pytest tests/wheel

# Install from an index on the loopback with real clients: pip, an old pip, uv
test-clients *ARGS: native
    LLAMAPROOF_OLD_PIP="$({{ venv }} -m build_tools old-pip)" {{ venv }} -m pytest tests/clients "$@"

# Look at the pages of an index as people do: in Chromium, and in w3m where it is there
test-browser *ARGS: native
    @{{ venv }} -m pytest tests/browser "$@"

# Install the wheels of dist/ into an empty environment and use them there
check-wheel *WHEELS: native
    @{{ venv }} -m build_tools check "$@"

# Prove the wheels in dist/, or those named: bindings, where attention runs, its numbers and its work
prove *ARGS: native
    @{{ venv }} -m llamaproof prove "$@"

# Publish the wheels in dist/ into dist/index by the policy of release.toml: just release --dry-run
release *ARGS: native
    @{{ venv }} -m llamaproof release "$@"

# Print the variants of release.toml as the jobs of a hosted CI
matrix *ARGS: env
    @{{ venv }} -m build_tools matrix "$@"

# Bring the index as it is published into dist/index, so that a release continues it
fetch-index *ARGS: env
    @{{ venv }} -m build_tools fetch-index "$@"

# Measure attention with the wheels in dist/: just bench --on emulator (others: just llamaproof bench)
bench *ARGS: native
    @for wheel in dist/*.whl; do {{ venv }} -m llamaproof bench "$wheel" "$@"; done

# Write the parts of README.md and docs/ that commands make (--wheels: those that show wheels too)
docs *ARGS: native
    @{{ venv }} -m build_tools docs "$@"

# Work with the patch series: status, apply, export, add, drop, reorder, port, lock, lint
series *ARGS: env
    @{{ venv }} -m build_tools series "$@"

# Fetch and check the pinned sources
pin *ARGS: env
    @{{ venv }} -m build_tools pin "$@"

# Run llamaproof on anything: just llamaproof abi some.whl
llamaproof *ARGS: native
    @{{ venv }} -m llamaproof "$@"

# Print where a CUDA toolkit is, put together if need be: just toolkit CUDA=12
toolkit *SETTINGS: env
    @{{ venv }} -m build_tools toolkit "$@"

# Compile the native libraries that llamaproof ships
native: env
    @{{ venv }} -m build_tools native

# Make the environment the recipes run in (from requirements/env.lock)
env:
    @{{ python }} {{ justfile_directory() }}/build_tools/bootstrap.py

# Write the lock files anew from requirements/*.in
lock: env
    @{{ venv }} -m build_tools lock

# Remove what can be made again: build/, .venv/ and caches; dist/ and downloads stay
clean:
    rm -rf build .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis python/llamaproof/_native

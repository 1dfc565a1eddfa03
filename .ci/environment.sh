# Sourced by the scripts beside it, with $extras set: makes .venv with dualdiff from this clone and those extras
# of pyproject.toml, once. Nothing outside .venv is installed or used. PYTHON names another interpreter.
cd "$(dirname "$0")/.."
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV PYTHONSTARTUP
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "dualdiff needs Python 3.11 or newer; '$python' is $("$python" --version 2>/dev/null || echo missing)." >&2
    echo "Install one, or name it: PYTHON=/path/to/python3.12 sh $0" >&2
    exit 1
fi
if [ ! -x .venv/bin/pip ]; then
    if ! "$python" -m venv --clear .venv; then
        echo "'$python' cannot make a virtual environment; on Debian and Ubuntu, install python3-venv." >&2
        exit 1
    fi
fi
# A copy of pyproject.toml marks what was installed: the next run is quick and needs no network.
installed=.venv/installed-${extras:-nothing}.toml
if ! cmp -s pyproject.toml "$installed"; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".${extras:+[$extras]}" || exit 1
    cp pyproject.toml "$installed"
fi
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" # small matrices: threads of BLAS cost more than they bring

# Everything runs in an environment of its own, .venv; pip finds PyTorch's CPU build where one is offered.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRITON_PYTHON ?= /usr/bin/python3
TORCH ?= torch==2.13.0

# ONNX Runtime's two packages are one module, and the one for GPUs must come last.
GPU_LIBRARIES = $(BIN)/pip install --quiet --editable '.[gpu]' && $(BIN)/pip uninstall --quiet --yes onnxruntime \
	&& $(BIN)/pip install --quiet --force-reinstall --no-deps onnxruntime-gpu

.PHONY: demo test check long lint bench environment photos train evaluate images api gpu cpp-packages cpp-windows cpp-check browser triton-environment triton-check bench-serving serving-check clean

$(VENV)/ready: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip setuptools
	$(BIN)/pip install --quiet "$(TORCH)"
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

environment: $(VENV)/ready

demo: environment  ## checkpoint -> ONNX -> engines for two GPUs -> parity -> a filled image
	$(BIN)/python examples/demo.py

test: environment  ## the tests that take at most a few seconds each
	$(BIN)/python -m pytest --numprocesses auto -m "not slow and not long"

check: lint  ## lint, types, and the slow tests too; what CI runs
	$(BIN)/python -m pytest --numprocesses auto -m "not long"

long: environment  ## what takes minutes: 50 kills of a training, all mutations, a Ray cluster, Windows under Wine
	$(BIN)/python -m pytest -m long

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/type_check.py

photos:  ## the photographs the demo checkpoints were trained on, from Debian's packages (needs apt)
	training/fetch_photos.sh build/photos

train: environment  ## the demo networks, to build/; about two hours on 2 cores; goes on where it was stopped
	mkdir -p build
	$(BIN)/train-inpainter training/demo.yaml -o build/demo.ckpt --resume
	$(BIN)/train-inpainter training/demo-gated.yaml -o build/demo-gated.ckpt --resume

evaluate: environment  ## the tables of docs/benchmarks.md; about 10 minutes on 2 cores
	$(BIN)/python -m inpaintrt.training.evaluate examples/demo.ckpt examples/demo-gated.ckpt --upscale 2,4

bench: environment  ## our export against the plain one, for docs/benchmarks.md; idle machine, about 5 minutes
	$(BIN)/python -m benchmarks.export --rounds 11

images: environment  ## the images of README and docs; needs the bundle of make demo
	$(BIN)/python -m benchmarks.doc_images

# The modules that applications call; everything else is for those who change this project.
API = export.exporter export.interface export.checkpoints.loading engines.store runtime.inpainter runtime.bundle runtime.errors \
	validation.run validation.cases.masks training.recipe training.config

api: environment  ## the API reference, from the docstrings, to build/api
	$(BIN)/python -m pdoc -o build/api $(addprefix inpaintrt.,$(API))

cpp-packages:  ## what runtime/cpp is built and tested with and is not installed, from Debian's packages (needs apt)
	tests/runtime/cpp_packages.sh build/cpp-packages

cpp-windows: environment  ## runtime/cpp for Windows with MinGW-w64, its tests under Wine (needs apt, no root); 10 minutes
	tests/runtime/cpp_packages.sh build/windows-packages windows
	$(BIN)/python -m tests.runtime.cpp_windows

browser:  ## Chromium for the tests of the page, where it is not installed, from Debian's packages (needs apt, no root)
	test -x /usr/bin/chromium || test -x build/chromium/chromium || tests/serving/chromium.sh build/chromium

serving-check: environment  ## the page in Chromium and the Ray job on three nodes; about four minutes
	$(BIN)/python -m pytest tests/serving

# Triton's server and client want another NumPy and protobuf. Its stub takes the standard library of the Python that made
# the environment; Debian's works, a Python with another libpython may not.
triton-environment:
	$(TRITON_PYTHON) -m venv build/triton-env
	build/triton-env/bin/pip install --quiet nvidia-pytriton 'tritonclient[grpc,http]' pytest .

triton-check: environment triton-environment  ## a real Triton server under load; about three minutes
	$(BIN)/python -m tests.serving.triton.bundles build/triton
	TRITON_BUNDLES=build/triton build/triton-env/bin/python -m pytest --noconftest tests/serving/triton/test_server.py

bench-serving: environment triton-environment  ## the table of docs/serving.md; idle machine, about 15 minutes
	test -d build/serving || $(BIN)/export-onnx examples/demo.ckpt -o build/serving --dynamic 256,256,512
	$(BIN)/python -m benchmarks.serving --bundle build/serving

cpp-check: environment  ## the long checks of runtime/cpp: sanitizers and 10,000 altered bundles; about ten minutes
	$(BIN)/python -m tests.runtime.cpp_build

gpu: environment  ## on a machine with an NVIDIA GPU: build, validate and measure; about 8 minutes
	-if command -v nvidia-smi > /dev/null; then $(GPU_LIBRARIES); fi  # what cannot be had is said by the benchmark
	-$(BIN)/pytest -q tests/test_gpu.py -k real_driver  # needs no TensorRT
	$(BIN)/python -m benchmarks.gpu

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache

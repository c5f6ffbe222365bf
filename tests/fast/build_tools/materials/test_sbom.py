"""Claims: the SBOM is CycloneDX 1.6, always the same bytes; it names each library and patch."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.licenses import canonicalize_license_expression

from build_tools.materials.gcc import openmp_part
from build_tools.materials.licences import licence_expression
from build_tools.materials.part import Part, distinct_texts
from build_tools.materials.sbom import libraries_of, sbom_of
from llamaproof.errors import LlamaproofError
from tests.support.wheel_facts import FACTS

COMMIT = FACTS.llama_cpp_commit
LLAMA_CPP = Part(
    name="llama.cpp",
    version=COMMIT,
    purl=f"pkg:github/ggml-org/llama.cpp@{COMMIT}",
    licence="MIT",
    use="inside",
    description="for tests",
    texts={"LICENSE": "MIT\n"},
    libraries=r"llama_cpp/lib/libllama\.so",
    patches=FACTS.patches,
)
STB = Part(
    name="stb_image", version="2.30", purl="pkg:github/nothings/stb@2.30", use="inside",
    licence="MIT OR Unlicense", description="for tests", texts={"LICENSE": "MIT\n"},
)  # fmt: skip
NVCC = Part(
    name="nvidia-cuda-nvcc", version="13.0.88", purl="pkg:pypi/nvidia-cuda-nvcc@13.0.88",
    licence="LicenseRef-NVIDIA-Proprietary", use="made with", description="the CUDA compiler",
    sha256="a1" * 32, texts={"License.txt": "terms\n"},
)  # fmt: skip
PARTS = (LLAMA_CPP, STB, openmp_part("12.2.0"), NVCC)
LIBRARIES = {"llama_cpp/lib/libllama.so": "1" * 64, "llama_cpp/lib/libgomp.so.1": "2" * 64}


def components(sbom: str) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(sbom)["components"]}


def test_it_is_what_its_schema_says() -> None:
    sbom = sbom_of(FACTS, PARTS, LIBRARIES)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom) is None
    spoilt = sbom.replace('"CycloneDX"', '"Cyclone"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(spoilt) is not None


def test_the_same_parts_give_the_same_bytes_and_others_another_serial_number() -> None:
    first = sbom_of(FACTS, PARTS, LIBRARIES)
    assert first == sbom_of(FACTS, PARTS, dict(reversed(LIBRARIES.items())))
    other = sbom_of(FACTS, PARTS, LIBRARIES | {"llama_cpp/lib/libgomp.so.1": "3" * 64})
    assert json.loads(first)["serialNumber"] != json.loads(other)["serialNumber"]
    assert "timestamp" not in json.loads(first)["metadata"]


def test_each_library_stands_in_the_part_that_it_is_with_its_hash() -> None:
    sbom = sbom_of(FACTS, PARTS, LIBRARIES)
    assert libraries_of(sbom) == LIBRARIES
    (runtime,) = components(sbom)["libgomp"]["components"]
    assert (runtime["name"], runtime["type"]) == ("llama_cpp/lib/libgomp.so.1", "file")


def test_each_patch_is_named_with_its_hash() -> None:
    llama_cpp = components(sbom_of(FACTS, PARTS, LIBRARIES))["llama.cpp"]
    named = {
        inner["name"]: inner["hashes"][0]["content"]
        for inner in llama_cpp["components"]
        if inner["name"].startswith("patches/")
    }
    assert named == {f"patches/{FACTS.pin}/{p.name}": p.sha256 for p in FACTS.patches}
    assert len(llama_cpp["pedigree"]["patches"]) == len(FACTS.patches)
    assert llama_cpp["pedigree"]["commits"] == [{"uid": COMMIT}]


def test_what_only_made_the_wheel_is_told_from_what_is_in_it() -> None:
    sbom = sbom_of(FACTS, PARTS, LIBRARIES)
    assert components(sbom)["nvidia-cuda-nvcc"]["scope"] == "excluded"
    assert components(sbom)["stb_image"]["scope"] == "required"
    assert components(sbom)["nvidia-cuda-nvcc"]["hashes"] == [
        {"alg": "SHA-256", "content": "a1" * 32}
    ]
    root = json.loads(sbom)["metadata"]["component"]["bom-ref"]
    depends = {d["ref"]: d.get("dependsOn", []) for d in json.loads(sbom)["dependencies"]}
    assert set(depends[root]) == {part.ref for part in PARTS if part.use == "inside"}


def test_a_library_that_no_part_accounts_for_is_refused_by_name() -> None:
    stray = LIBRARIES | {"llama_cpp/lib/libextra.so": "3" * 64}
    with pytest.raises(LlamaproofError, match=r"llama_cpp/lib/libextra\.so"):
        sbom_of(FACTS, PARTS, stray)


def test_a_stock_wheel_without_cuda_is_described_too() -> None:
    facts = replace(FACTS, patches=(), cuda=None, cuda_arch=())
    parts = (replace(LLAMA_CPP, patches=()), openmp_part("12.2.0"))
    sbom = sbom_of(facts, parts, LIBRARIES)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom) is None
    assert "patches/" not in sbom


def test_one_expression_holds_for_all_that_is_inside() -> None:
    expression = licence_expression(PARTS)
    assert expression == ("MIT AND (MIT OR Unlicense) AND GPL-3.0-or-later WITH GCC-exception-3.1")
    assert canonicalize_license_expression(expression) == expression


def test_a_text_is_carried_once_and_only_of_what_is_inside() -> None:
    texts = distinct_texts(PARTS)
    assert "llama.cpp/LICENSE" in texts and "stb_image/LICENSE" not in texts
    assert not [name for name in texts if name.startswith("nvidia")]
    assert "GNU GENERAL PUBLIC LICENSE" in texts["libgomp/COPYING3.txt"]
    assert "GCC RUNTIME LIBRARY EXCEPTION" in texts["libgomp/COPYING.RUNTIME.txt"]

"""What a wheel of ours has besides what the source's own backend packs: one small step for each."""

from __future__ import annotations

from collections.abc import Callable

from build_tools.wheel.contents import WheelContents
from build_tools.wheel.headers import add_headers
from build_tools.wheel.inside import add_parts, require_sbom
from build_tools.wheel.libraries import (
    add_driver_stand_in,
    add_openmp_runtime,
    set_search_paths,
    strip_libraries,
)
from build_tools.wheel.metadata import add_requirements, set_version, write_facts
from build_tools.wheel.platform_tag import set_platform
from build_tools.wheel.unpacked import UnpackedWheel, fix_modes

# Changes the folder and nothing else; raises a LlamaproofError for what it cannot do.
Step = Callable[[UnpackedWheel, WheelContents], None]

# In this order: the runtime is stripped too, and the platform is read off the finished libraries,
# which the SBOM names by their hashes.
STEPS: tuple[Step, ...] = (
    set_version,
    add_headers,
    add_openmp_runtime,
    strip_libraries,
    set_search_paths,
    add_driver_stand_in,
    add_requirements,
    set_platform,
    write_facts,
    add_parts,
    fix_modes,
    require_sbom,
)

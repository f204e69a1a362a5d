// Written by scripts/android_constants.py from the cards and the Python code: do not edit.
#pragma once
#include "edge_core.hpp"

namespace edge {

// Mask from which a composited picture is used as it is; below, it fades out.
inline constexpr float mask_shows = 0.25f;

inline const Contract contracts[] = {
    {"ghost_1_256", "target", "source", "#0", "", 256, true, 0.00392156862745098f, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, -1.0f, 1.0f, true, false, false},
    {"ghost_2_256", "target", "source", "#0", "", 256, true, 0.00392156862745098f, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, -1.0f, 1.0f, true, false, false},
    {"ghost_3_256", "target", "source", "#0", "", 256, true, 0.00392156862745098f, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, -1.0f, 1.0f, true, false, false},
    {"hififace_unofficial_256", "target", "source", "#0", "", 256, true, 0.00392156862745098f, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, -1.0f, 1.0f, true, false, false},
    {"hyperswap_1a_256", "target", "source", "output", "mask", 256, true, 0.00392156862745098f, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, -1.0f, 1.0f, true, true, false},
    {"hyperswap_1b_256", "target", "source", "output", "mask", 256, true, 0.00392156862745098f, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, -1.0f, 1.0f, true, true, false},
    {"hyperswap_1c_256", "target", "source", "output", "mask", 256, true, 0.00392156862745098f, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}, -1.0f, 1.0f, true, true, false},
    {"inswapper_128", "target", "source", "#0", "", 128, true, 0.00392156862745098f, {0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}, 0.0f, 1.0f, true, false, false},
    {"inswapper_128_fp16", "target", "source", "#0", "", 128, true, 0.00392156862745098f, {0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}, 0.0f, 1.0f, true, false, false},
    {"mobilefaceswap_224", "target", "", "output", "mask", 224, true, 0.00392156862745098f, {0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}, 0.0f, 1.0f, true, true, false},
    {"ref_swapper", "target", "source", "output", "mask", 128, true, 0.00392156862745098f, {0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}, 0.0f, 1.0f, true, true, true},
    {"ref_swapper_256", "target", "source", "output", "mask", 256, true, 0.00392156862745098f, {0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}, 0.0f, 1.0f, true, true, true},
    {"reswapper_128", "target", "source", "#0", "", 128, true, 0.00392156862745098f, {0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}, 0.0f, 1.0f, true, false, false},
    {"reswapper_256", "target", "source", "#0", "", 256, true, 0.00392156862745098f, {0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}, 0.0f, 1.0f, true, false, false},
    {"simswap_256", "target", "source", "#0", "", 256, true, 0.00392156862745098f, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}, 0.0f, 1.0f, true, false, false},
    {"simswap_unofficial_512", "target", "source", "#0", "", 512, true, 0.00392156862745098f, {0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 1.0f}, 0.0f, 1.0f, true, false, false},
};

}  // namespace edge

// From an aligned crop to the swapped crop, in C++17 on ONNX Runtime's C API, as edge/swapmodel.py
// does it. What comes out has NO LABEL: it may only be pasted into a frame that is labelled,
// watermarked and signed before anybody sees it (docs/spec/assertions-1.md).
#pragma once
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace edge {

// What a swapper's card says: names, side of the crop in pixels, channel orders, and
// (value * scale - mean) / std on the way in, range on the way out. A name "#0" is the first one.
struct Contract {
    const char* card;
    const char* input;
    const char* source;  // of the embedding; "" where somebody is in the weights
    const char* output;
    const char* mask;  // "" for a model without one
    int size;
    bool input_rgb;  // else BGR
    float scale;
    float mean[3];
    float std[3];
    float black;
    float white;
    bool output_rgb;
    bool composited;
    bool exact_mask;
};

enum class Provider { cpu, xnnpack, nnapi };

struct Options {
    Provider provider = Provider::cpu;
    int threads = 1;
    bool precise_x64 = true;  // integers as on ARM: matters on x86 alone
    std::uint32_t nnapi_flags = 1 | 4;  // USE_FP16, CPU_DISABLED: see profile.toml
};

struct Swapped {
    std::vector<std::uint8_t> picture;  // size * size * 3, BGR
    // size * size, 0 to 1: how much of the picture to use; where the contract has an exact mask, how
    // much of the picture is no target.
    std::vector<float> mask;
};

// One open model. Not for several threads at once. Throws std::runtime_error with one line.
class SwapModel {
  public:
    SwapModel(const std::string& model, const Contract& contract, const Options& options = {});
    ~SwapModel();
    SwapModel(const SwapModel&) = delete;
    SwapModel& operator=(const SwapModel&) = delete;

    // crop: size * size * 3 bytes, BGR. source: what the model's source input takes; may be empty.
    Swapped run(const std::uint8_t* crop, const std::vector<float>& source = {});

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace edge

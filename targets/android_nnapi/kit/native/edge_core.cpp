#include "contracts.hpp"

#include <onnxruntime_c_api.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#ifdef __ANDROID__
// nnapi_provider_factory.h, which Debian's package of headers lacks, is this one function.
extern "C" OrtStatus* OrtSessionOptionsAppendExecutionProvider_Nnapi(OrtSessionOptions*, uint32_t);
#endif

namespace edge {
namespace {

const OrtApi& api() {
    static const OrtApi* found = [] {
        // Official builds report usage unless this is set before the library is first asked.
        setenv("ORT_DISABLE_TELEMETRY", "1", 1);
        return OrtGetApiBase()->GetApi(ORT_API_VERSION);
    }();
    if (!found) throw std::runtime_error("this ONNX Runtime is older than the headers of the core");
    return *found;
}

void check(OrtStatus* status) {
    if (!status) return;
    const std::string text = api().GetErrorMessage(status);
    api().ReleaseStatus(status);
    throw std::runtime_error(text);
}

template <typename T, auto Release>
struct Held {
    T* get = nullptr;
    Held() = default;
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() {
        if (get) (api().*Release)(get);
    }
};

using Env = Held<OrtEnv, &OrtApi::ReleaseEnv>;
using SessionOptions = Held<OrtSessionOptions, &OrtApi::ReleaseSessionOptions>;
using Session = Held<OrtSession, &OrtApi::ReleaseSession>;
using Memory = Held<OrtMemoryInfo, &OrtApi::ReleaseMemoryInfo>;
using Value = Held<OrtValue, &OrtApi::ReleaseValue>;
using Shape = Held<OrtTensorTypeAndShapeInfo, &OrtApi::ReleaseTensorTypeAndShapeInfo>;

void add_provider(OrtSessionOptions* options, const Options& wanted) {
    if (wanted.provider == Provider::xnnpack) {
        const std::string threads = std::to_string(wanted.threads);
        const char* keys[] = {"intra_op_num_threads"};
        const char* values[] = {threads.c_str()};
        check(api().SessionOptionsAppendExecutionProvider(options, "XNNPACK", keys, values, 1));
    } else if (wanted.provider == Provider::nnapi) {
#ifdef __ANDROID__
        check(OrtSessionOptionsAppendExecutionProvider_Nnapi(options, wanted.nnapi_flags));
#else
        throw std::runtime_error("NNAPI is on Android alone");
#endif
    }
}

}  // namespace

struct SwapModel::State {
    Contract contract;
    Env env;
    Session session;
    Memory memory;
    std::string input, source, output, mask;

    std::string name(const std::string& wanted, bool input_side) const {
        if (wanted.empty() || wanted[0] != '#') return wanted;
        OrtAllocator* allocator = nullptr;
        check(api().GetAllocatorWithDefaultOptions(&allocator));
        char* found = nullptr;
        const size_t at = std::stoul(wanted.substr(1));
        check(input_side ? api().SessionGetInputName(session.get, at, allocator, &found)
                         : api().SessionGetOutputName(session.get, at, allocator, &found));
        const std::string copy = found;
        check(api().AllocatorFree(allocator, found));
        return copy;
    }

    void tensor(Value& value, std::vector<float>& data, const std::vector<int64_t>& shape) const {
        check(api().CreateTensorWithDataAsOrtValue(memory.get, data.data(),
                                                   data.size() * sizeof(float), shape.data(),
                                                   shape.size(), ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
                                                   &value.get));
    }

    // The values of an output that must be float32 (1, planes, size, size), and numbers.
    const float* values(Value& value, size_t planes) const {
        Shape shape;
        size_t count = 0;
        ONNXTensorElementDataType type{};
        check(api().GetTensorTypeAndShape(value.get, &shape.get));
        check(api().GetTensorShapeElementCount(shape.get, &count));
        check(api().GetTensorElementType(shape.get, &type));
        const size_t wanted = planes * contract.size * contract.size;
        if (count != wanted || type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
            throw std::runtime_error(std::string(contract.card) + ": the model does not fit its card");
        float* data = nullptr;
        check(api().GetTensorMutableData(value.get, reinterpret_cast<void**>(&data)));
        if (!std::all_of(data, data + count, [](float v) { return std::isfinite(v); }))
            throw std::runtime_error(std::string(contract.card) + ": the model gave no numbers");
        return data;
    }
};

SwapModel::SwapModel(const std::string& model, const Contract& contract, const Options& wanted)
    : state_(std::make_unique<State>()) {
    State& s = *state_;
    s.contract = contract;
    check(api().CreateEnv(ORT_LOGGING_LEVEL_WARNING, "edge", &s.env.get));
    check(api().DisableTelemetryEvents(s.env.get));
    SessionOptions options;
    check(api().CreateSessionOptions(&options.get));
    check(api().SetIntraOpNumThreads(options.get, wanted.threads));
    check(api().SetSessionExecutionMode(options.get, ORT_SEQUENTIAL));
    check(api().AddSessionConfigEntry(options.get, "session.intra_op.allow_spinning", "0"));
    if (wanted.precise_x64)
        check(api().AddSessionConfigEntry(options.get, "session.x64quantprecision", "1"));
    add_provider(options.get, wanted);
    check(api().CreateSession(s.env.get, model.c_str(), options.get, &s.session.get));
    check(api().CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &s.memory.get));
    s.input = s.name(contract.input, true);
    s.source = s.name(contract.source, true);
    s.output = s.name(contract.output, false);
    s.mask = s.name(contract.mask, false);
}

SwapModel::~SwapModel() = default;

Swapped SwapModel::run(const std::uint8_t* crop, const std::vector<float>& source) {
    State& s = *state_;
    const Contract& c = s.contract;
    const size_t area = static_cast<size_t>(c.size) * c.size;
    std::vector<float> picture(3 * area);
    for (size_t plane = 0; plane < 3; ++plane) {
        const size_t channel = c.input_rgb ? 2 - plane : plane;
        for (size_t at = 0; at < area; ++at)
            picture[plane * area + at] =
                (crop[3 * at + channel] * c.scale - c.mean[plane]) / c.std[plane];
    }
    std::vector<float> given = source;
    if (given.empty() == (c.source[0] != '\0'))
        throw std::runtime_error(std::string(c.card) + ": takes a source, or none, unlike what is given");
    Value target, who;
    s.tensor(target, picture, {1, 3, c.size, c.size});
    std::vector<const char*> inputs{s.input.c_str()};
    std::vector<const OrtValue*> feeds{target.get};
    if (!given.empty()) {
        s.tensor(who, given, {1, static_cast<int64_t>(given.size())});
        inputs.push_back(s.source.c_str());
        feeds.push_back(who.get);
    }
    std::vector<const char*> outputs{s.output.c_str()};
    if (c.mask[0]) outputs.push_back(s.mask.c_str());
    Value shown, mask;
    OrtValue* results[2] = {nullptr, nullptr};
    OrtStatus* status = api().Run(s.session.get, nullptr, inputs.data(), feeds.data(), feeds.size(),
                                  outputs.data(), outputs.size(), results);
    shown.get = results[0];
    mask.get = results[1];
    check(status);

    Swapped done;
    done.picture.resize(3 * area);
    done.mask.assign(area, 1.0f);
    const float* values = s.values(shown, 3);
    const float gain = 255.0f / (c.white - c.black);
    for (size_t plane = 0; plane < 3; ++plane) {
        const size_t channel = c.output_rgb ? 2 - plane : plane;
        for (size_t at = 0; at < area; ++at) {
            const float value = (values[plane * area + at] - c.black) * gain + 0.5f;
            done.picture[3 * at + channel] =
                static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.0f));
        }
    }
    if (c.mask[0]) {
        const float* shares = s.values(mask, 1);
        const float whole = c.composited && !c.exact_mask ? mask_shows : 1.0f;
        for (size_t at = 0; at < area; ++at)
            done.mask[at] = std::clamp(shares[at] / whole, 0.0f, 1.0f);
    }
    return done;
}

}  // namespace edge

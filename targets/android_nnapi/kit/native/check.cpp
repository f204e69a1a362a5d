// The core against Python: raw crop in, raw crop and mask out, to be compared and thrown away.
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>

#include "contracts.hpp"

namespace {

template <typename T>
std::vector<T> read(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return values;
}

template <typename T>
void write(const char* path, const std::vector<T>& values) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    if (!file) throw std::runtime_error(std::string(path) + ": cannot be written");
}

}  // namespace

int main(int count, char** args) {
    if (count != 7) {
        std::fprintf(stderr, "usage: check MODEL CARD CROP SOURCE PICTURE MASK (SOURCE may be '')\n");
        return 2;
    }
    try {
        for (const edge::Contract& contract : edge::contracts) {
            if (std::strcmp(contract.card, args[2]) != 0) continue;
            const auto crop = read<std::uint8_t>(args[3]);
            if (crop.size() != 3u * contract.size * contract.size)
                throw std::runtime_error(std::string(args[3]) + ": is no crop of this card");
            edge::SwapModel model(args[1], contract);
            const auto source = *args[4] ? read<float>(args[4]) : std::vector<float>{};
            const auto done = model.run(crop.data(), source);
            write(args[5], done.picture);
            write(args[6], done.mask);
            return 0;
        }
        throw std::runtime_error(std::string(args[2]) + ": no such card");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "check: %s\n", error.what());
        return 2;
    }
}

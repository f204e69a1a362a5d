/* Answer cpuid as a processor with AVX2 and nothing newer does.
 *
 * scripts/avx2_kernels.py puts ud2 in the place of every cpuid of a copy of ONNX Runtime: the processor
 * then stops there, and this takes over. For measuring alone; nothing that is shipped loads it.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

static void answer(int signal, siginfo_t *info, void *context) {
    greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *at = (const unsigned char *)reg[REG_RIP];
    unsigned leaf = reg[REG_RAX], part = reg[REG_RCX], a, b, c, d;
    (void)signal, (void)info;
    if (at[0] != 0x0f || at[1] != 0x0b) abort(); /* a real illegal instruction */
    __cpuid_count(leaf, part, a, b, c, d);
    if (leaf == 7) {
        /* Of leaf 7: AVX2, BMI and the like stay; AVX-512, VNNI, AMX and what builds on them go. */
        const unsigned kept = bit_FSGSBASE | bit_BMI | bit_AVX2 | bit_BMI2 | (1u << 9) /* rep movsb */;
        a = 0, b = part == 0 ? b & kept : 0, c = 0, d = 0;
    }
    reg[REG_RAX] = a, reg[REG_RBX] = b, reg[REG_RCX] = c, reg[REG_RDX] = d, reg[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {0};
    action.sa_sigaction = answer;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGILL, &action, NULL);
}

// Element-wise handlers: one function applied to the lanes of rows.
#pragma once

#include "machine.h"

namespace llamaproof::emulator {

// Copies the lanes of `mask` from `from` to `to`.
template <class T> inline void blend(T * to, const T * from, uint32_t mask) {
    if (mask == full_mask) {
        std::memcpy(to, from, sizeof(T) * lanes);
        return;
    }
    for (const int lane : lanes_of(mask)) {
        to[lane] = from[lane];
    }
}

template <class F, class D, class A> void unary(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) D result[lanes];
    const A * a = warp.row<A>(inst.op[1]);
    for (int i = 0; i < lanes; ++i) result[i] = F::apply(a[i]);
    blend(warp.row<D>(inst.op[0]), result, mask);
}

template <class F, class D, class A, class B>
void binary(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) D result[lanes];
    const A * a = warp.row<A>(inst.op[1]);
    const B * b = warp.row<B>(inst.op[2]);
    for (int i = 0; i < lanes; ++i) result[i] = F::apply(a[i], b[i]);
    blend(warp.row<D>(inst.op[0]), result, mask);
}

template <class F, class D, class A, class B, class C>
void ternary(Warp & warp, const Inst & inst, uint32_t mask) {
    alignas(64) D result[lanes];
    const A * a = warp.row<A>(inst.op[1]);
    const B * b = warp.row<B>(inst.op[2]);
    const C * c = warp.row<C>(inst.op[3]);
    for (int i = 0; i < lanes; ++i) result[i] = F::apply(a[i], b[i], c[i]);
    blend(warp.row<D>(inst.op[0]), result, mask);
}

// One bit a lane from 32 words that are 0 or 1.
inline uint32_t gather_bits(const uint8_t * flags) {
    uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) {
        uint64_t eight;
        std::memcpy(&eight, flags + 8 * i, 8);
        // Each byte is 0 or 1; the product collects byte k's bit at position 56 + k.
        bits |= static_cast<uint32_t>((eight * 0x0102040810204080u) >> 56) << (8 * i);
    }
    return bits;
}

inline void set_predicate(Warp & warp, uint32_t index, uint32_t bits, uint32_t mask) {
    uint32_t & predicate = warp.predicates[index];
    predicate = (predicate & ~mask) | (bits & mask);
}

}  // namespace llamaproof::emulator

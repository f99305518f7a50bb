// All kernels, for the instruction set this file is compiled for.
#include "backward.h"
#include "few.h"
#include "forward.h"
#include "gru.h"
#include "int8.h"
#include "lstm.h"
#include "rnn.h"
#include "stream.h"

namespace recurra::RECURRA_TARGET {

// f<S, C>() for the scalar and the cell of a call.
template <class S, class F>
static auto of_kind(Kind kind, F&& f) {
    switch (kind) {
        case kRnnTanh: return f.template operator()<S, RnnTanh>();
        case kRnnRelu: return f.template operator()<S, RnnRelu>();
        case kLstm: return f.template operator()<S, Lstm>();
        default: return f.template operator()<S, Gru>();
    }
}

template <class F>
static auto of(Kind kind, bool is_double, F&& f) {
    return is_double ? of_kind<double>(kind, f) : of_kind<float>(kind, f);
}

static void run(const Call& q, bool back) {
    of(q.kind, q.is_double, [&]<class S, template <class> class C>() {
        back ? Backward<S, C>::run(q) : Forward<S, C>::run(q);
    });
}

static void step(const Step& q, Index begin, Index end) {
    if (q.rounded)
        return of_kind<float>(q.kind, [&]<class, template <class> class C>() { Int8<C>::rows(q, begin, end); });
    of(q.kind, q.is_double, [&]<class S, template <class> class C>() { Stream<S, C>::rows(q, begin, end); });
}

static Index packed_size(Kind kind, bool is_double, Index K, Index H) {
    return of(kind, is_double, [&]<class S, template <class> class C>() { return Forward<S, C>::packed_size(K, H); });
}

static void pack(Kind kind, bool is_double, const void* weight, Index K, Index H, void* to) {
    of(kind, is_double, [&]<class S, template <class> class C>() { Stream<S, C>::pack(weight, K, H, to); });
}

static Index packed_int8_size(Kind kind, Index K, Index H) {
    return of_kind<float>(kind, [&]<class, template <class> class C>() { return Int8<C>::packed_size(K, H); });
}

static void pack_int8(Kind kind, const float* weight, Index K, Index H, std::int8_t* to, float* scale) {
    of_kind<float>(kind, [&]<class, template <class> class C>() { Int8<C>::pack(weight, K, H, to, scale); });
}

static void few(const FewSteps& q) {
    of(q.kind, q.is_double, [&]<class S, template <class> class C>() { Few<S, C>::run(q); });
}

static bool here() {
#if RECURRA_BYTES == 64
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif RECURRA_BYTES == 32
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

#define RECURRA_TEXT(name) #name
#define RECURRA_NAME(name) RECURRA_TEXT(name)
extern const Kernels kernels;
const Kernels kernels{RECURRA_NAME(RECURRA_TARGET), &here, &run, &step, &packed_size, &pack,
                      &packed_int8_size, &pack_int8, &few};

}  // namespace recurra::RECURRA_TARGET

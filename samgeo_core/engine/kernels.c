/* What SAM's mask decoder does to image tokens, in one pass over them (engine/decoder.py), and, at the end, how
 * masks are measured (engine/masks.py).
 *
 * The same arithmetic as engine/image_attention.py and engine/upscale.py, operation for operation. What
 * differs is the order: a stretch of tokens goes through in chunks of CHUNK, each through all steps for
 * one prompt after another, so that everything between two products stays in the first caches.
 *
 * Arrays are float32, row-major. Letters are those of engine/decoder.py: B prompts of T tokens, h heads of
 * d channels, J = h T, n image tokens of a stretch, a multiple of CHUNK. Image-side arrays are [h, d, n];
 * those of two halves, [h, d, 2 n], the image's part before the positional one.
 *
 * engine/kernels.py compiles and calls this.
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#define CHUNK 32
const int chunk = CHUNK;
#define PAD 16 /* rows that are read as vectors are padded to this */

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec all(float x) { return x - (vec){0}; }

#if defined(__AVX512F__)
INLINE vec larger(vec a, vec b) { return _mm512_max_ps(a, b); }
INLINE vec smaller(vec a, vec b) { return _mm512_min_ps(a, b); }
#elif defined(__AVX__)
INLINE vec larger(vec a, vec b) { return _mm256_max_ps(a, b); }
INLINE vec smaller(vec a, vec b) { return _mm256_min_ps(a, b); }
#else
INLINE vec choose(ivec where, vec yes, vec no) { return (vec)(((ivec)yes & where) | ((ivec)no & ~where)); }
INLINE vec larger(vec a, vec b) { return choose(a > b, a, b); }
INLINE vec smaller(vec a, vec b) { return choose(a < b, a, b); }
#endif

INLINE float sum_of(vec v)
{
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
}

INLINE float largest_of(vec v)
{
    float most = v[0];
    for (int i = 1; i < LANES; i++) most = v[i] > most ? v[i] : most;
    return most;
}

/* Two to the power of x <= 0, to 2e-7 of it. Adding 1.5 * 2^23 rounds to the nearest integer, which then
 * lies in the last bits and goes where the exponent is; the rest is a polynomial fitted on [-1/2, 1/2]. */
INLINE vec exp2_of(vec x)
{
    x = larger(x, all(-100.0f));
    vec shifted = x + 12582912.0f, f = x - (shifted - 12582912.0f);
    vec p = all(1.53707048e-4f);
    p = p * f + 1.33998483e-3f;
    p = p * f + 9.61837325e-3f;
    p = p * f + 5.55032904e-2f;
    p = p * f + 2.40226485e-1f;
    p = p * f + 6.93147206e-1f;
    p = p * f + 1.0f;
    return (vec)((ivec)p + ((ivec)shifted << 23));
}

/* x Phi(x) with the normal distribution's Phi, to 8e-7: x/2 + x/2 erf(x / sqrt 2). There erf(z) is z times a
 * polynomial in z^2, fitted on |z| <= 3.9 (from there on erf is 1 to 4e-8), in u = 2 (z / 3.9)^2 - 1. It is
 * summed in four parts, which don't wait for each other. */
INLINE vec gelu_of(vec x)
{
    vec near = smaller(larger(x, all(-5.5154329f)), all(5.5154329f));
    vec u = near * near * 0.065746220f - 1.0f, u2 = u * u, u4 = u2 * u2;
    vec p0 = ((u4 * 1.034854932e-03f + 1.059979425e-02f) * u4 + 3.207163801e-02f) * u4 + 1.281928008e-01f;
    vec p1 = ((u4 * -1.443207927e-03f - 7.871966545e-03f) * u4 - 2.616651845e-02f) * u4 - 6.399723791e-02f;
    vec p2 = ((u4 * 5.707829514e-04f + 4.333449624e-03f) * u4 + 2.037548186e-02f) * u4 + 4.761963542e-02f;
    vec p3 = (u4 * -1.191747688e-03f - 1.475379535e-02f) * u4 - 3.871924436e-02f;
    vec p = (p3 * u + p2) * u2 + (p1 * u + p0);
    return x * (near * p) + 0.5f * x;
}

enum mode { SET, ADD, ADD_SCALED };

/* A few rows and columns of `multiply`, summed in registers. */
INLINE void tile(enum mode mode, int rows, int vecs, int depth, const float *a, long a_row, long a_column,
                 const float *b, long b_row, float *c, long c_row, const float *scale)
{
    vec sums[4][2];
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < vecs; j++) sums[i][j] = (vec){0};
    for (int k = 0; k < depth; k++) {
        vec right[2];
#pragma GCC unroll 2
        for (int j = 0; j < vecs; j++) right[j] = load(b + k * b_row + j * LANES);
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) {
            vec left = all(a[i * a_row + k * a_column]);
#pragma GCC unroll 2
            for (int j = 0; j < vecs; j++) sums[i][j] += left * right[j];
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int j = 0; j < vecs; j++) {
            float *out = c + i * c_row + j * LANES;
            if (mode == SET) store(out, sums[i][j]);
            if (mode == ADD) store(out, load(out) + sums[i][j]);
            if (mode == ADD_SCALED) store(out, load(out) + sums[i][j] * load(scale + j * LANES));
        }
}

/* C = A B, C += A B, or C += A B with columns scaled.
 * A: [rows, depth], any strides; B: [depth, columns]; columns is a multiple of LANES. */
INLINE void multiply(enum mode mode, int rows, int columns, int depth, const float *a, long a_row,
                     long a_column, const float *b, long b_row, float *c, long c_row, const float *scale)
{
    for (int j = 0; j < columns;) {
        int vecs = columns - j >= 2 * LANES ? 2 : 1;
        for (int i = 0; i < rows;) {
            const float *left = a + i * a_row, *factor = scale ? scale + j : NULL;
            float *out = c + i * c_row + j;
            int left_rows = rows - i < 4 ? rows - i : 4;
#define TILE(n_rows, n_vecs) \
    tile(mode, n_rows, n_vecs, depth, left, a_row, a_column, b + j, b_row, out, c_row, factor)
#define TILES(n_vecs) \
    if (left_rows == 4) TILE(4, n_vecs); \
    else if (left_rows == 3) TILE(3, n_vecs); \
    else if (left_rows == 2) TILE(2, n_vecs); \
    else TILE(1, n_vecs)
            if (vecs == 2) { TILES(2); } else { TILES(1); }
            i += left_rows;
        }
        j += vecs * LANES;
    }
}

/* Heads. */
struct heads {
    int n, d, tokens; /* h, d, T */
};

/* rows[h T, CHUNK] op= tokens [h T, d] times image tokens [h, d, ...] of the chunk, head by head. */
INLINE void score(enum mode mode, struct heads heads, const float *tokens, const float *image, long image_row,
                  float *rows, const float *scale)
{
    for (int h = 0; h < heads.n; h++)
        multiply(mode, heads.tokens, CHUNK, heads.d, tokens + h * heads.tokens * heads.d, heads.d, 1,
                 image + h * heads.d * image_row, image_row, rows + h * heads.tokens * CHUNK, CHUNK, scale);
}

/* Softmax over the tokens of each head, in place, rows [h T, CHUNK]. */
INLINE void share_out(struct heads heads, float *rows)
{
    for (int h = 0; h < heads.n; h++)
        for (int c = 0; c < CHUNK; c += LANES) {
            float *head = rows + h * heads.tokens * CHUNK + c;
            vec most = load(head), total = (vec){0};
            for (int t = 1; t < heads.tokens; t++) most = larger(most, load(head + t * CHUNK));
            for (int t = 0; t < heads.tokens; t++) {
                vec weight = exp2_of(load(head + t * CHUNK) - most);
                total += weight;
                store(head + t * CHUNK, weight);
            }
            total = 1.0f / total;
            for (int t = 0; t < heads.tokens; t++) store(head + t * CHUNK, load(head + t * CHUNK) * total);
        }
}

/* sums[CHUNK] += column sums of a * b, both [rows, CHUNK]. */
INLINE void add_products(int rows, const float *a, const float *b, float *sums)
{
    for (int c = 0; c < CHUNK; c += LANES) {
        vec sum = load(sums + c);
        for (int r = 0; r < rows; r++) sum += load(a + r * CHUNK + c) * load(b + r * CHUNK + c);
        store(sums + c, sum);
    }
}

INLINE void scale_rows(int rows, float *a, const float *scale)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < CHUNK; c += LANES)
            store(a + r * CHUNK + c, load(a + r * CHUNK + c) * load(scale + c));
}

/* out[columns, out_row] is the transpose of a [rows, in_row]. */
INLINE void transpose(int rows, int columns, const float *a, long in_row, float *out, long out_row)
{
    for (int r0 = 0; r0 < rows; r0 += 8)
        for (int c = 0; c < columns; c++)
            for (int r = r0; r < rows && r < r0 + 8; r++) out[c * out_row + r] = a[r * in_row + c];
}

/* Softmax over image tokens, of which only some were seen so far: sums are weighted by powers of two of
 * the scores less the largest one yet, and scaled down when a larger one comes. */
struct pool {
    float *most, *total; /* [J] */
    float *values;       /* [J, d] */
    float *rows;         /* [J, padded R], or NULL */
    int padded;
};

/* Turn scores of a chunk [J, CHUNK] into weights. */
INLINE void weigh(struct heads heads, float *rows, struct pool pool)
{
    for (int j = 0; j < heads.n * heads.tokens; j++) {
        float *row = rows + j * CHUNK;
        vec most = load(row), total = (vec){0};
        for (int c = LANES; c < CHUNK; c += LANES) most = larger(most, load(row + c));
        float here = largest_of(most);
        if (here > pool.most[j]) {
            float factor = exp2f(pool.most[j] - here);
            pool.most[j] = here;
            pool.total[j] *= factor;
            for (int k = 0; k < heads.d; k++) pool.values[j * heads.d + k] *= factor;
            if (pool.rows)
                for (int k = 0; k < pool.padded; k++) pool.rows[j * pool.padded + k] *= factor;
        }
        for (int c = 0; c < CHUNK; c += LANES) {
            vec weight = exp2_of(load(row + c) - pool.most[j]);
            total += weight;
            store(row + c, weight);
        }
        pool.total[j] += sum_of(total);
    }
}

/* values [J, d] += weights [J, CHUNK] times the image's values, transposed, [CHUNK, h d]. */
INLINE void gather(struct heads heads, const float *rows, const float *image, struct pool pool)
{
    for (int h = 0; h < heads.n; h++)
        multiply(ADD, heads.tokens, heads.d, CHUNK, rows + h * heads.tokens * CHUNK, CHUNK, 1,
                 image + h * heads.d, heads.n * heads.d, pool.values + h * heads.tokens * heads.d, heads.d,
                 NULL);
}

static float *take(size_t count)
{
    return aligned_alloc(64, (4 * count + 63) / 64 * 64);
}

static int padded(int count) { return (count + PAD - 1) / PAD * PAD; }

static void begin(long prompts, int rows, int d, float *most, float *total, float *values)
{
    for (long i = 0; i < prompts * rows; i++) most[i] = -1e30f;
    memset(total, 0, 4 * prompts * rows);
    memset(values, 0, 4 * prompts * rows * d);
}

/* Token-to-image attention of layer 0: queries [B, J, d]; out most, total [B, J], values [B, J, d]. */
void attend_layer0(int prompts, int n_heads, int d, int tokens, int n, const float *queries, const float *keys,
                   const float *values, float *most, float *total, float *sums)
{
    struct heads heads = {n_heads, d, tokens};
    int rows = n_heads * tokens, channels = n_heads * d;
    float *scores = take(rows * CHUNK), *image = take(CHUNK * channels);
    begin(prompts, rows, d, most, total, sums);
    for (int at = 0; at < n; at += CHUNK) {
        transpose(channels, CHUNK, values + at, n, image, channels);
        for (long b = 0; b < prompts; b++) {
            struct pool pool = {most + b * rows, total + b * rows, sums + b * rows * d, NULL, 0};
            score(SET, heads, queries + b * rows * d, keys + at, n, scores, NULL);
            weigh(heads, scores, pool);
            gather(heads, scores, image, pool);
        }
    }
    free(scores);
    free(image);
}

/* Image-to-token attention of layer 0, its norm, token-to-image attention of layer 1.
 *
 * keys, carried values, queries: [B, J, d]; gram, mix: [B, J, J]; norm: [n]. Out: the first half of coefficients
 * [B, 2 J, n], scale [B, n], and as in layer 0, with what the scaled attention sums to, mixed [B, J, J]. */
void attend_layer1(int prompts, int n_heads, int d, int tokens, int n, int channels, float eps,
                   const float *keys, const float *carried, const float *queries, const float *gram,
                   const float *mix, const float *queries0, const float *cross0, const float *norm,
                   const float *keys1, const float *values1, float *coefficients, float *scale,
                   float *most, float *total, float *sums, float *mixed)
{
    struct heads heads = {n_heads, d, tokens};
    int rows = n_heads * tokens, wide = padded(rows), width = n_heads * d;
    float *a = take(rows * CHUNK), *form = take(rows * CHUNK), *turned = take(CHUNK * wide);
    float *image = take(CHUNK * width), *pooled = take((size_t)prompts * rows * wide), sum[CHUNK];
    begin(prompts, rows, d, most, total, sums);
    memset(pooled, 0, 4 * (size_t)prompts * rows * wide);
    memset(turned, 0, 4 * CHUNK * wide);
    for (int at = 0; at < n; at += CHUNK) {
        transpose(width, CHUNK, values1 + at, n, image, width);
        for (long b = 0; b < prompts; b++) {
            struct pool pool = {most + b * rows, total + b * rows, sums + b * rows * d,
                                pooled + b * rows * wide, wide};
            float *s = scale + b * n + at;
            score(SET, heads, keys + b * rows * d, queries0 + at, n, a, NULL);
            share_out(heads, a);
            multiply(SET, rows, CHUNK, rows, gram + b * rows * rows, rows, 1, a, CHUNK, form, CHUNK, NULL);
            score(ADD, heads, carried + b * rows * d, cross0 + at, n, form, NULL);
            memcpy(sum, norm + at, sizeof sum);
            add_products(rows, form, a, sum);
            for (int c = 0; c < CHUNK; c++) s[c] = 1.0f / sqrtf(sum[c] / channels + eps);
            scale_rows(rows, a, s);
            for (int j = 0; j < rows; j++)
                memcpy(coefficients + (2 * b * rows + j) * n + at, a + j * CHUNK, 4 * CHUNK);
            multiply(SET, rows, CHUNK, rows, mix + b * rows * rows, rows, 1, a, CHUNK, form, CHUNK, NULL);
            score(ADD_SCALED, heads, queries + b * rows * d, keys1 + at, 2 * n, form, s);
            score(ADD, heads, queries + b * rows * d, keys1 + n + at, 2 * n, form, NULL);
            weigh(heads, form, pool);
            transpose(rows, CHUNK, a, CHUNK, turned, wide);
            multiply(ADD, rows, wide, CHUNK, form, CHUNK, 1, turned, wide, pool.rows, wide, NULL);
            scale_rows(rows, form, s);
            gather(heads, form, image, pool);
        }
    }
    for (long j = 0; j < (long)prompts * rows; j++) memcpy(mixed + j * rows, pooled + j * wide, 4 * rows);
    free(a), free(form), free(turned), free(image), free(pooled);
}

/* Image-to-token attention of layer 1, its norm, the final token-to-image attention of F tokens.
 *
 * keys, carried0, carried1: [B, J, d]; queries: [B, h F, d]; key_mix, lower: [B, J, J]; upper: [B, J, 2 J];
 * final_mix: [B, h F, 2 J]; norm, bias: [n]. Reads the first half of coefficients [B, 2 J, n] and scale1
 * [B, n]; fills the second half and scale2. Out as in layer 1, of h F rows, mixed [B, h F, 2 J]. */
void attend_final(int prompts, int n_heads, int d, int tokens, int final_tokens, int n, int channels, float eps,
                  const float *keys, const float *carried0, const float *carried1, const float *queries,
                  const float *key_mix, const float *upper, const float *lower, const float *final_mix,
                  const float *queries1, const float *cross1a, const float *cross1b, const float *norm,
                  const float *bias, const float *keys2, const float *values2, float *coefficients,
                  const float *scale1, float *scale2, float *most, float *total, float *sums, float *mixed)
{
    struct heads heads = {n_heads, d, tokens}, finals = {n_heads, d, final_tokens};
    int rows = n_heads * tokens, final_rows = n_heads * final_tokens, width = n_heads * d;
    int both = 2 * rows, wide = padded(both), most_rows = rows > final_rows ? rows : final_rows;
    float *a = take(both * CHUNK), *form = take(most_rows * CHUNK), *turned = take(CHUNK * wide);
    float *image = take(CHUNK * width), *pooled = take((size_t)prompts * final_rows * wide), sum[CHUNK];
    begin(prompts, final_rows, d, most, total, sums);
    memset(pooled, 0, 4 * (size_t)prompts * final_rows * wide);
    memset(turned, 0, 4 * CHUNK * wide);
    for (int at = 0; at < n; at += CHUNK) {
        transpose(width, CHUNK, values2 + at, n, image, width);
        for (long b = 0; b < prompts; b++) {
            struct pool pool = {most + b * final_rows, total + b * final_rows, sums + b * final_rows * d,
                                pooled + b * final_rows * wide, wide};
            float *co = coefficients + b * both * n + at, *second = a + rows * CHUNK;
            const float *s1 = scale1 + b * n + at;
            float *s2 = scale2 + b * n + at;
            for (int j = 0; j < rows; j++) memcpy(a + j * CHUNK, co + (long)j * n, 4 * CHUNK);
            multiply(SET, rows, CHUNK, rows, key_mix + b * rows * rows, rows, 1, a, CHUNK, second, CHUNK, NULL);
            score(ADD_SCALED, heads, keys + b * rows * d, queries1 + at, 2 * n, second, s1);
            score(ADD, heads, keys + b * rows * d, queries1 + n + at, 2 * n, second, NULL);
            share_out(heads, second);
            for (int j = rows; j < both; j++) memcpy(co + (long)j * n, a + j * CHUNK, 4 * CHUNK);
            for (int c = 0; c < CHUNK; c++) sum[c] = s1[c] * (s1[c] * norm[at + c] + bias[at + c]);
            multiply(SET, rows, CHUNK, both, upper + b * rows * both, both, 1, a, CHUNK, form, CHUNK, NULL);
            score(ADD_SCALED, heads, carried0 + b * rows * d, cross1a + at, n, form, s1);
            add_products(rows, form, a, sum);
            multiply(SET, rows, CHUNK, rows, lower + b * rows * rows, rows, 1, second, CHUNK, form, CHUNK, NULL);
            score(ADD_SCALED, heads, carried1 + b * rows * d, cross1b + at, n, form, s1);
            add_products(rows, form, second, sum);
            for (int c = 0; c < CHUNK; c++) s2[c] = 1.0f / sqrtf(sum[c] / channels + eps);
            multiply(SET, final_rows, CHUNK, both, final_mix + b * final_rows * both, both, 1, a, CHUNK, form,
                     CHUNK, NULL);
            score(ADD_SCALED, finals, queries + b * final_rows * d, keys2 + at, 2 * n, form, s1);
            scale_rows(final_rows, form, s2);
            score(ADD, finals, queries + b * final_rows * d, keys2 + n + at, 2 * n, form, NULL);
            weigh(finals, form, pool);
            scale_rows(final_rows, form, s2);
            transpose(both, CHUNK, a, CHUNK, turned, wide);
            multiply(ADD, final_rows, wide, CHUNK, form, CHUNK, 1, turned, wide, pool.rows, wide, NULL);
            scale_rows(final_rows, form, s1);
            gather(finals, form, image, pool);
        }
    }
    for (long j = 0; j < (long)prompts * final_rows; j++) memcpy(mixed + j * both, pooled + j * wide, 4 * both);
    free(a), free(form), free(turned), free(image), free(pooled);
}

/* out[CHUNK] = row[at]. On its own, as the instruction that gathers takes longer than loads one by one. */
__attribute__((noinline, optimize("no-tree-vectorize"))) static void pick(const float *row, const int64_t *at,
                                                                          float *out)
{
    for (int c = 0; c < CHUNK; c++) out[c] = row[at[c]];
}

/* Both upscalings of some of n image tokens of one prompt, for M masks.
 *
 * tokens, places: [count], which tokens, and where the first of their 16 pixels goes in a mask of `size` floats;
 * offsets: [16], where the others go from there, by the row and column of the first upscaling, then of the
 * second. shared: [4 C, n], the first upscaling's part of the image, and bias1 [4 C]; mix: [4 C, R];
 * coefficients: [R, n]; scale1, scale2: [n]; norm_weight, norm_bias: [C]; weight2: [4 D, C]; bias2: [4 D];
 * hyper: [M, D]. Out: logits [M, size]. */
void upscale(int count, int n, int rows, int channels, int depth, int masks, int64_t size, float eps,
             const int64_t *tokens, const int64_t *places, const int64_t *offsets, const float *shared,
             const float *bias1, const float *mix, const float *coefficients, const float *scale1,
             const float *scale2, const float *norm_weight, const float *norm_bias, const float *weight2,
             const float *bias2, const float *hyper, float *logits)
{
    float *a = take(rows * CHUNK), *x = take(channels * CHUNK), *y = take(depth * CHUNK);
    float *pixels = take(masks * CHUNK), scale[CHUNK], own[CHUNK], picked[CHUNK];
    for (int start = 0; start < count; start += CHUNK) {
        /* What is missing in the last chunk is its first token, again. */
        int few = count - start < CHUNK ? count - start : CHUNK;
        int64_t at[CHUNK];
        for (int c = 0; c < CHUNK; c++) at[c] = tokens[start + (c < few ? c : 0)];
        int in_a_row = few == CHUNK && at[CHUNK - 1] - at[0] == CHUNK - 1;
#define PICK(row) (in_a_row ? (row) + at[0] : (pick(row, at, picked), picked))
        pick(scale1, at, scale);
        pick(scale2, at, own);
        for (int c = 0; c < CHUNK; c++) scale[c] *= own[c];
        for (int r = 0; r < rows; r++) {
            const float *row = PICK(coefficients + (int64_t)r * n);
            for (int c = 0; c < CHUNK; c += LANES) store(a + r * CHUNK + c, load(row + c) * load(own + c));
        }
        for (int sub = 0; sub < 4; sub++) {
            vec square[CHUNK / LANES] = {0};
            for (int k = 0; k < channels; k++) {
                const float *image = PICK(shared + (int64_t)(sub * channels + k) * n);
                for (int c = 0; c < CHUNK; c += LANES)
                    store(x + k * CHUNK + c, load(image + c) * load(scale + c) + bias1[sub * channels + k]);
            }
            multiply(ADD, channels, CHUNK, rows, mix + sub * channels * rows, rows, 1, a, CHUNK, x, CHUNK, NULL);
            /* Their mean over channels is zero (engine/upscale.py). */
            for (int k = 0; k < channels; k++)
                for (int c = 0; c < CHUNK / LANES; c++) {
                    vec value = load(x + k * CHUNK + c * LANES);
                    square[c] += value * value;
                }
            for (int c = 0; c < CHUNK / LANES; c++) {
                vec inverse = square[c] / (float)channels + eps;
                for (int i = 0; i < LANES; i++) inverse[i] = 1.0f / sqrtf(inverse[i]);
                for (int k = 0; k < channels; k++) {
                    float *value = x + k * CHUNK + c * LANES;
                    store(value, gelu_of(load(value) * inverse * norm_weight[k] + norm_bias[k]));
                }
            }
            for (int quarter = 0; quarter < 4; quarter++) {
                multiply(SET, depth, CHUNK, channels, weight2 + quarter * depth * channels, channels, 1, x, CHUNK,
                         y, CHUNK, NULL);
                for (int k = 0; k < depth; k++)
                    for (int c = 0; c < CHUNK; c += LANES)
                        store(y + k * CHUNK + c, gelu_of(load(y + k * CHUNK + c) + bias2[quarter * depth + k]));
                multiply(SET, masks, CHUNK, depth, hyper, depth, 1, y, CHUNK, pixels, CHUNK, NULL);
                for (int m = 0; m < masks; m++) {
                    float *out = logits + m * size + offsets[4 * sub + quarter];
                    for (int c = 0; c < few; c++) out[places[start + c]] = pixels[m * CHUNK + c];
                }
            }
        }
    }
    free(a), free(x), free(y), free(pixels);
}

INLINE int any_of(ivec mask)
{
    int any = 0;
    for (int i = 0; i < LANES; i++) any |= mask[i];
    return any;
}

INLINE vec where(ivec mask, vec v) { return (vec)((ivec)v & mask); }
INLINE vec either(ivec mask, vec yes, vec no) { return (vec)(((ivec)yes & mask) | ((ivec)no & ~mask)); }

/* One axis of a grid of cells (engine/masks.py), one for each of `side` inputs, a multiple of LANES: at
 * `start` the cell's `count` positions of the output, of which `most` is the largest number; weights: [reach,
 * most, side], of the inputs from the cell's own on. */
struct axis {
    int side, reach, most;
    const float *start, *count, *weights;
};

/* Counts above three levels, and bounds of what is above the first, as they grow. */
struct extent {
    double counts[3];
    vec sums[3], left, right;
    float top, bottom;
};

/* Pixels that are above the levels, in LANES cells of a row of output. */
INLINE void note(struct extent *e, const ivec *above, vec each, vec first, vec last, float top, float bottom)
{
    for (int k = 0; k < 3; k++) e->sums[k] += where(above[k], each);
    if (!any_of(above[0])) return;
    e->left = smaller(e->left, either(above[0], first, all(INFINITY)));
    e->right = larger(e->right, either(above[0], last, all(-INFINITY)));
    if (top < e->top) e->top = top;
    if (bottom > e->bottom) e->bottom = bottom;
}

/* A row's counts go where they are exact however large the mask is. */
INLINE void carry(struct extent *e)
{
    for (int k = 0; k < 3; k++) e->counts[k] += sum_of(e->sums[k]), e->sums[k] = (vec){0};
}

/* Row r of cells: those that lie on one side of every level are counted, the others marked in open [side],
 * and blocks of LANES with such in blocks. Bounds of the counts above the second and third level go to `most`
 * and `least`, of any of them. Returns whether any are open. */
static int decide(struct axis ys, struct axis xs, int r, const float *logits, const vec *levels, float *low,
                  float *high, ivec *open, char *blocks, struct extent *e, double *most, double *least)
{
    int side = xs.side, rows = side - r < ys.reach ? side - r : ys.reach, any = 0;
    vec highest = all(-INFINITY), inner = {0}, outer = {0};
    for (int c = 0; c < side; c += LANES) {
        vec lo = load(logits + (int64_t)r * side + c), hi = lo;
        for (int i = 1; i < rows; i++) {
            vec next = load(logits + (int64_t)(r + i) * side + c);
            lo = smaller(lo, next), hi = larger(hi, next);
        }
        store(low + c, lo), store(high + c, hi);
        highest = larger(highest, hi);
    }
    memset(blocks, 0, side / LANES);
    if (!any_of(highest > levels[2])) return 0;
    float top = ys.start[r], n = ys.count[r];
    for (int c = 0; c < side; c += LANES) {
        vec hi = load(high + c), lo = load(low + c), n_columns = load(xs.count + c), first = load(xs.start + c);
        for (int j = 1; j < xs.reach; j++) hi = larger(hi, load(high + c + j)), lo = smaller(lo, load(low + c + j));
        ivec present = n_columns > 0.0f, some = hi > levels[2];
        if (!any_of(some)) continue;
        ivec every[3], undecided = {0};
        for (int k = 0; k < 3; k++) every[k] = lo > levels[k], undecided |= (hi > levels[k]) ^ every[k];
        undecided &= present;
        inner += where(hi > levels[1], n_columns);
        outer += where(every[2], n_columns);
        for (int k = 0; k < 3; k++) every[k] &= ~undecided & present;
        note(e, every, n * n_columns, first, first + n_columns - 1.0f, top, top + n - 1.0f);
        open[c / LANES] = undecided;
        any |= blocks[c / LANES] = any_of(undecided) != 0;
    }
    *most += n * sum_of(inner), *least += n * sum_of(outer);
    return any;
}

/* The pixels of row r's open cells, resampled. */
static void resample(struct axis ys, struct axis xs, int r, const float *logits, const vec *levels, float *line,
                     const ivec *open, const char *blocks, struct extent *e)
{
    int side = xs.side, rows = side - r < ys.reach ? side - r : ys.reach, from = 0, to = side / LANES;
    while (!blocks[from]) from++;
    while (!blocks[to - 1]) to--;
    /* Cells also depend on the next inputs. */
    int end = to * LANES + xs.reach - 1 < side ? to + (xs.reach + LANES - 2) / LANES : to;
    if (end > side / LANES) end = side / LANES;
    for (int y = 0; y < (int)ys.count[r]; y++) {
        for (int c = from * LANES; c < end * LANES; c += LANES) {
            vec sum = {0};
            for (int i = 0; i < rows; i++)
                sum += ys.weights[((int64_t)i * ys.most + y) * side + r] * load(logits + (int64_t)(r + i) * side + c);
            store(line + c, sum);
        }
        float at = ys.start[r] + y;
        for (int b = from; b < to; b++) {
            if (!blocks[b]) continue;
            int c = b * LANES, n = (int)largest_of(load(xs.count + c));
            for (int x = 0; x < n; x++) {
                vec value = {0}, place = load(xs.start + c) + (float)x;
                for (int j = 0; j < xs.reach; j++)
                    value += load(xs.weights + ((int64_t)j * xs.most + x) * side + c) * load(line + c + j);
                ivec here = open[b] & (load(xs.count + c) > (float)x), above[3];
                for (int k = 0; k < 3; k++) above[k] = here & (value > levels[k]);
                note(e, above, all(1.0f), place, place, at, at);
            }
        }
    }
}

/* Areas and boxes of masks as they are at the tile's resolution (engine/masks.py).
 *
 * logits: [M, side, side]; levels: [3], the threshold, one above it and one below; of each axis what struct
 * axis says. Out: found [M, 8], whether a mask's stability may be the least, and if so the counts of its pixels
 * above the levels and its box, inclusive. */
void extents(int masks, int side, int reach_y, int most_y, int reach_x, int most_x, float least_stability,
             const float *logits, const float *levels, const float *y_start, const float *y_count,
             const float *y_weights, const float *x_start, const float *x_count, const float *x_weights,
             int64_t *found)
{
    struct axis ys = {side, reach_y, most_y, y_start, y_count, y_weights};
    struct axis xs = {side, reach_x, most_x, x_start, x_count, x_weights};
    int n_blocks = side / LANES;
    float *low = take(side + reach_x + LANES), *high = take(side + reach_x + LANES);
    float *line = take(side + reach_x + LANES), *open = take(side * side);
    char *blocks = (char *)take(side * n_blocks), *rows = (char *)take(side);
    vec level[3];
    for (int k = 0; k < 3; k++) level[k] = all(levels[k]);
    for (int i = side; i < side + reach_x + LANES; i++) low[i] = INFINITY, high[i] = -INFINITY, line[i] = 0;
    for (int m = 0; m < masks; m++, logits += (int64_t)side * side, found += 8) {
        struct extent e = {.left = all(INFINITY), .right = all(-INFINITY), .top = INFINITY, .bottom = -INFINITY};
        double most = 0, least = 0;
        for (int r = 0; r < side; r++) {
            rows[r] = y_count[r] > 0 && decide(ys, xs, r, logits, level, low, high, (ivec *)(open + r * side),
                                               blocks + r * n_blocks, &e, &most, &least);
            carry(&e);
        }
        found[0] = most >= (double)least_stability * least;
        if (!found[0]) continue;
        for (int r = 0; r < side; r++)
            if (rows[r]) {
                resample(ys, xs, r, logits, level, line, (ivec *)(open + r * side), blocks + r * n_blocks, &e);
                carry(&e);
            }
        for (int k = 0; k < 3; k++) found[1 + k] = (int64_t)e.counts[k];
        memset(found + 4, 0, 4 * sizeof *found);
        if (found[1]) {
            found[4] = (int64_t)-largest_of(-e.left), found[5] = (int64_t)e.top;
            found[6] = (int64_t)largest_of(e.right), found[7] = (int64_t)e.bottom;
        }
    }
    free(low), free(high), free(line), free(open), free(blocks), free(rows);
}

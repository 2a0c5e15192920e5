"""Small models for the corpus, in ONNX's textual syntax: every operator at least once, the smallest
shapes that it allows. One entry is 'inputs | outputs | nodes'."""

# Elementwise operators and constants, several to a model.
UNARY = ['Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Ceil', 'Celu', 'Cos', 'Cosh',
         'Elu', 'Erf', 'Exp', 'Floor', 'HardSigmoid', 'HardSwish', 'Identity', 'LeakyRelu', 'Log',
         'Mish', 'Neg', 'Reciprocal', 'Relu', 'Round', 'Selu', 'Shrink', 'Sigmoid', 'Sign', 'Sin',
         'Sinh', 'Softplus', 'Softsign', 'Sqrt', 'Tan', 'Tanh', 'ThresholdedRelu']
BINARY = ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Mean', 'Sum', 'PRelu']
REDUCE = ['ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMax', 'ReduceMean',
          'ReduceMin', 'ReduceProd', 'ReduceSum', 'ReduceSumSquare']
WINDOWS = ['BlackmanWindow', 'HammingWindow', 'HannWindow']


def chain(operators, form):
    """One node behind the other: t0 = x, t1 = op(t0), ..."""
    return '; '.join(form.format(op=op, y=f't{k + 1}', x=f't{k}' if k else 'x')
                     for k, op in enumerate(operators))


MODELS = {
    'unary': ('float[2,3] x', f'float[2,3] t{len(UNARY)}', chain(UNARY, '{y} = {op}({x})')),
    'binary': ('float[2,3] x, float[3] b', f'float[2,3] t{len(BINARY)}',
               chain(BINARY, '{y} = {op}({x}, b)')),
    'reduce': ('float[2,3] x', 'float y',
               '; '.join(f'r{k} = {op}<keepdims=0>(x)' for k, op in enumerate(REDUCE[:8])) +
               '; y = Sum(r0, r1, r2, r3, r4, r5, r6, r7)'),
    'reduce_axes': ('float[2,3,4] x', 'float[2,1,4] y, float[2] z',
                    'a = Constant<value_ints=[1]>(); b = Constant<value_ints=[-1,1]>(); '
                    'y = ReduceSum(x, a); z = ReduceSumSquare<keepdims=0>(x, b)'),
    'logic': ('float[4] x, float[4] y', 'bool[4] z',
              'a = Less(x, y); b = Greater(x, y); c = LessOrEqual(x, y); d = GreaterOrEqual(x, y); '
              'e = Equal(x, y); f = And(a, c); g = Or(b, d); h = Xor(f, g); i = Not(e); '
              'j = IsNaN(x); k = IsInf(y); l = Or(j, k); m = And(h, i); z = Or(l, m)'),
    'bits': ('int32[4] x, int32[4] y', 'int32[4] z',
             'a = BitwiseAnd(x, y); b = BitwiseOr(a, y); c = BitwiseXor(b, x); d = BitwiseNot(c); '
             'z = Mod(d, y)'),
    'shift': ('uint32[4] x, uint32[4] y', 'uint32[4] z', 'z = BitShift<direction="LEFT">(x, y)'),
    'where': ('bool[2,1] c, float[3] x, float[2,3] y', 'float[2,3] z', 'z = Where(c, x, y)'),
    'cast': ('float[4] x', 'float16[4] y, int8[4] z, float[4] w',
             'y = Cast<to=10>(x); z = Cast<to=3>(x); w = CastLike(z, x)'),
    'clip': ('float[4] x', 'float[4] y', 'lo = Constant<value_float=-1.0>(); '
             'hi = Constant<value_float=1.0>(); y = Clip(x, lo, hi)'),
    'gelu': ('float[2,4] x', 'float[2,4] y',
             'r = Constant<value_float=1.4142135>(); one = Constant<value_float=1.0>(); '
             'half = Constant<value_float=0.5>(); a = Div(x, r); b = Erf(a); c = Add(b, one); '
             'd = Mul(x, c); y = Mul(d, half)'),
    'softmax': ('float[2,3,4] x', 'float[2,3,4] y',
                'a = Softmax<axis=1>(x); b = LogSoftmax(a); y = Hardmax<axis=0>(b)'),
    'norms': ('float[2,4] x, float[4] s, float[4] b', 'float[2,4] y',
              'a = LayerNormalization<axis=-1>(x, s, b); c = LpNormalization(a); '
              'm = Dropout(c); y = Add(m, b)'),
    'norms4': ('float[1,4,3,3] x, float[4] s, float[4] b', 'float[1,4,3,3] y',
               'a = BatchNormalization(x, s, b, b, s); c = InstanceNormalization(a, s, b); '
               'd = LRN<size=3>(c); y = MeanVarianceNormalization(d)'),
    'group_norm': ('float[1,4,3] x, float[2] s, float[2] b', 'float[1,4,3] y',
                   'y = GroupNormalization<num_groups=2>(x, s, b)'),
    'matmul': ('float[2,3] x, float[3,4] w', 'float[2,4] y', 'y = MatMul(x, w)'),
    'gemm': ('float[3,2] x, float[4,3] w, float[4] b', 'float[2,4] y',
             'y = Gemm<transA=1, transB=1, alpha=0.5, beta=2.0>(x, w, b)'),
    'einsum': ('float[2,3,4] x, float[2,4,5] w', 'float[2,3,5] y',
               'y = Einsum<equation="bij,bjk->bik">(x, w)'),
    'conv': ('float[1,2,5,5] x, float[4,1,3,3] w, float[4] b', 'float[1,4,3,3] y',
             'y = Conv<group=2, pads=[1,1,1,1], strides=[2,2], dilations=[1,1]>(x, w, b)'),
    'conv_transpose': ('float[1,2,3,3] x, float[2,2,2,2] w', 'float[1,2,6,6] y',
                       'y = ConvTranspose<strides=[2,2]>(x, w)'),
    'pool': ('float[1,2,6,6] x', 'float[1,2,1,1] y',
             'a = MaxPool<kernel_shape=[2,2], pads=[1,1,0,0]>(x); '
             'b = AveragePool<kernel_shape=[2,2], auto_pad="SAME_UPPER">(a); '
             'c = LpPool<kernel_shape=[2,2]>(b); y = GlobalAveragePool(c)'),
    'global_pool': ('float[1,2,4] x', 'float[1,2,1] y, float[1,2,1] z',
                    'y = GlobalMaxPool(x); z = GlobalLpPool(x)'),
    'resize': ('float[1,1,2,2] x', 'float[1,1,4,4] y',
               's = Constant<value_floats=[1.0,1.0,2.0,2.0]>(); '
               'y = Resize<mode="linear", coordinate_transformation_mode="half_pixel">(x, , s)'),
    'grid_sample': ('float[1,1,3,3] x, float[1,2,2,2] g', 'float[1,1,2,2] y',
                    'y = GridSample<mode="bilinear", padding_mode="border">(x, g)'),
    'pad': ('float[2,3] x', 'float[4,4] y',
            'p = Constant<value_ints=[1,0,1,1]>(); y = Pad<mode="reflect">(x, p)'),
    'views': ('float[2,3,4] x', 'float[4,6] y',
              'a = Transpose<perm=[2,0,1]>(x); s = Constant<value_ints=[4,-1]>(); '
              'b = Reshape(a, s); c = Flatten(b); t = Constant<value_ints=[0]>(); '
              'd = Unsqueeze(c, t); y = Squeeze(d, t)'),
    'join': ('float[2,3] x, float[2,3] y', 'float[2,2] z',
             'a = Concat<axis=0>(x, y); s = Constant<value_ints=[2,2]>(); b, c = Split(a, s); '
             'i = Constant<value_ints=[0]>(); j = Constant<value_ints=[2]>(); '
             'k = Constant<value_ints=[1]>(); z = Slice(b, i, j, k)'),
    'spread': ('float[1,3] x', 'float[4,6] y',
               's = Constant<value_ints=[4,3]>(); a = Expand(x, s); '
               'r = Constant<value_ints=[1,2]>(); y = Tile(a, r)'),
    'blocks': ('float[1,4,2,2] x', 'float[1,4,2,2] y',
               'a = DepthToSpace<blocksize=2, mode="CRD">(x); y = SpaceToDepth<blocksize=2>(a)'),
    'gather': ('float[4,3] x, int64[2] i, int64[2,3] e, int64[2,2] n', 'float[2,3] y, float[2] z',
               'a = Gather(x, i); b = GatherElements(x, e); y = Add(a, b); z = GatherND(x, n)'),
    'scatter': ('float[4,3] x, int64[1,3] i, float[1,3] u, int64[2,1] n, float[2,3] v',
                'float[4,3] y',
                'a = ScatterElements<reduction="add">(x, i, u); y = ScatterND(a, n, v)'),
    'one_hot': ('int64[3] i', 'float[3,4] y',
                'd = Constant<value_int=4>(); v = Constant<value_floats=[0.0,1.0]>(); '
                'y = OneHot(i, d, v)'),
    'order': ('float[2,4] x', 'float[2,2] y, int64[2,2] i, int64[2] a',
              'k = Constant<value_ints=[2]>(); y, i = TopK(x, k); '
              'm = ArgMin<axis=1, keepdims=0>(x); n = ArgMax<axis=1, keepdims=0>(x); a = Add(m, n)'),
    'scan': ('float[2,4] x', 'float[2,4] y',
             'a = Constant<value_int=1>(); y = CumSum<reverse=1, exclusive=1>(x, a)'),
    'trilu': ('float[3,3] x', 'float[3,3] y',
              'k = Constant<value_int=1>(); a = Trilu(x, k); e = EyeLike(a); y = Add(a, e)'),
    'shapes': ('float[n,3] x', 'float[n,3] y',
               's = Shape(x); z = Constant<value_int=0>(); l = Gather(s, z); '
               'o = Constant<value_int=1>(); r = Range(z, l, o); c = Cast<to=1>(r); '
               'a = Constant<value_ints=[1]>(); u = Unsqueeze(c, a); f = Size(x); '
               'g = Cast<to=1>(f); h = Add(x, u); y = Mul(h, g)'),
    'fill': ('float[n,3] x', 'float[n,3] y',
             's = Shape(x); c = ConstantOfShape<value=float[1] {2.0}>(s); y = Mul(x, c)'),
    'quantize': ('float[2,4] x', 'float[2,4] y',
                 's = Constant<value_float=0.1>(); z = Constant<value=uint8 {128}>(); '
                 'q = QuantizeLinear(x, s, z); y = DequantizeLinear(q, s, z)'),
    'dynamic': ('float[2,4] x, uint8[4,3] w', 'int32[2,3] y',
                'q, s, z = DynamicQuantizeLinear(x); y = MatMulInteger(q, w, z)'),
    'qlinear': ('uint8[2,4] x, uint8[4,3] w', 'uint8[2,3] y',
                's = Constant<value_float=0.1>(); z = Constant<value=uint8 {128}>(); '
                'y = QLinearMatMul(x, s, z, w, s, z, s, z)'),
    'qconv': ('uint8[1,1,3,3] x, uint8[1,1,2,2] w', 'uint8[1,1,2,2] y, int32[1,1,2,2] i',
              's = Constant<value_float=0.1>(); z = Constant<value=uint8 {128}>(); '
              'y = QLinearConv(x, s, z, w, s, z, s, z); i = ConvInteger(x, w, z, z)'),
    'gru': ('float[2,1,3] x, float[1,12,3] w, float[1,12,4] r', 'float[2,1,1,4] y',
            'y = GRU<hidden_size=4, linear_before_reset=1>(x, w, r)'),
    'lstm': ('float[2,1,3] x, float[2,16,3] w, float[2,16,4] r, int32[1] n',
             'float[2,2,1,4] y, float[2,1,4] h, float[2,1,4] c',
             'y, h, c = LSTM<hidden_size=4, direction="bidirectional">(x, w, r, , n)'),
    'rnn': ('float[2,1,3] x, float[1,4,3] w, float[1,4,4] r', 'float[1,1,4] h',
            '_, h = RNN<hidden_size=4, activations=["Relu"]>(x, w, r)'),
    'signal': ('float[1,4,1] x', 'float[1,4,2] y',
               'a = Constant<value_int=4>(); y = DFT<axis=1>(x, a)'),
    'stft': ('float[1,8,1] x', 'float[1,3,3,2] y',
             's = Constant<value_int=2>(); n = Constant<value_int=4>(); w = HannWindow(n); '
             'b = BlackmanWindow(n); h = HammingWindow(n); v = Add(w, b); u = Add(v, h); '
             'y = STFT(x, s, u, n)'),
    'attention': ('float[1,2,4,8] q, float[1,2,4,8] k, float[1,2,4,8] v', 'float[1,2,4,8] y',
                  't = Transpose<perm=[0,1,3,2]>(k); a = MatMul(q, t); '
                  'c = Constant<value_float=0.35355339>(); b = Mul(a, c); s = Softmax(b); '
                  'y = MatMul(s, v)'),
    'if_known': ('float[2] x', 'float[2] y',
                 'c = Constant<value=bool {1}>(); y = If<then_branch=then () => (float[2] a) '
                 '{ a = Neg(x) }, else_branch=else () => (float[2] b) { b = Abs(x) }>(c)'),
    'if_asked': ('bool c, float[2] x', 'float[2] y',
                 'y = If<then_branch=then () => (float[2] a) { a = Neg(x) }, '
                 'else_branch=else () => (float[2] b) { b = Abs(x) }>(c)'),
}

# Newer operators: (opset, inputs, outputs, nodes).
NEWER = {
    'attention23': (23, 'float[1,2,4,8] q, float[1,2,4,8] k, float[1,2,4,8] v', 'float[1,2,4,8] y',
                    'y = Attention<is_causal=1>(q, k, v)'),
    'rotary23': (23, 'float[1,2,4,8] x, float[4,4] c, float[4,4] s, int64[1,4] p',
                 'float[1,2,4,8] y', 'a = Slice(c, p, p); y = RotaryEmbedding(x, c, s, p)'),
    'rms23': (23, 'float[2,4] x, float[4] s', 'float[2,4] y', 'y = RMSNormalization(x, s)'),
    'gelu20': (20, 'float[2,4] x', 'float[2,4] y', 'a = Gelu(x); y = Gelu<approximate="tanh">(a)'),
    'upsample9': (9, 'float[1,1,2,2] x, float[4] s', 'float[1,1,4,4] y', 'y = Upsample(x, s)'),
    'scatter9': (9, 'float[4,3] x, int64[1,3] i, float[1,3] u', 'float[4,3] y',
                 'y = Scatter(x, i, u)'),
}

# Operators of ONNX Runtime's own domain.
CONTRIB = {
    'skip_norm': ('float[1,2,4] x, float[4] s', 'float[1,2,4] y',
                  'a = com.microsoft.SkipLayerNormalization(x, x, s, s, s); '
                  'b = com.microsoft.SkipSimplifiedLayerNormalization(a, x, s); '
                  'c = com.microsoft.BiasGelu(b, s); d = com.microsoft.FastGelu(c, s); '
                  'e = com.microsoft.QuickGelu(d); y = com.microsoft.Gelu(e)'),
}

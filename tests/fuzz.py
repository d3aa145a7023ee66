"""Random malformed calls: every public function with valid arguments of which some are replaced by junk."""

import inspect

import numpy as np

import cases

HUGE = 2**70  # fits no C integer


def junk_values(rng):
    """One malformed (or merely odd) value, of a kind drawn at random."""
    n, k = int(rng.integers(0, 5)), int(rng.integers(0, 5))
    array = rng.standard_normal((n, k))
    holes = rng.standard_normal((3, 2))
    holes[int(rng.integers(0, 3)), 0] = rng.choice([np.nan, np.inf, -np.inf])
    values = [
        None, True, False, "abc", "", b"\x00", 0, -1, 1, 3, HUGE, -HUGE, 0.5, -2.5, np.nan, np.inf, 1e308, 5e-324,
        1 + 2j, (), [], {}, [[]], [[1.0], [1.0, 2.0]], [None], ["a"], object(), len, int, Ellipsis, slice(None),
        range(3), array, array.tolist(), array.T, array[::-1, ::-1], np.asfortranarray(array), array.astype(np.float32),
        array.astype(complex), array.astype(object), array.astype(str), array.astype(bool), array.astype(np.int8),
        np.float64(2.0), np.int64(2), np.array(3.0), np.zeros((0, 0)), np.zeros((0, 3)), np.zeros((3, 0)),
        np.zeros((2, 2, 2)), np.zeros((1,) * 9), holes, array * 1e200, array * 1e-200, np.ma.masked_invalid(holes),
        np.array(["2020-01-01"], dtype="M8[D]"), np.zeros(3, dtype=[("a", float)]), np.float16(1.0) * array,
        (array, array), [array, array], (array,), (array, array, array), (array, None), (None, "x"), np.matrix([[1.0]]),
        np.broadcast_to(np.float64(1.0), (3, 2)), np.ones((3, 2))[:, ::-1], memoryview(b"abcd"), iter([1, 2]),
    ]  # fmt: skip
    return values[int(rng.integers(0, len(values)))]


def bent(rng, value):
    """A near miss: an array (unaligned ones too), number or option that is almost the valid one."""
    if isinstance(value, tuple) and value:
        inner = list(value)
        i = int(rng.integers(0, len(inner)))
        inner[i] = bent(rng, inner[i])
        return tuple(inner)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return bent_array(rng, value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        choices = [value + 1, value - 1, -value, 0, float(value), HUGE, np.int8(value % 100), value * 1000]
        return choices[int(rng.integers(0, len(choices)))]
    if isinstance(value, float):
        choices = [-value, 0.0, value * 1e-300, value * 1e300, np.nan, np.float32(value), str(value)]
        return choices[int(rng.integers(0, len(choices)))]
    if isinstance(value, str):
        return value.upper() + "x"
    return junk_values(rng)


def bent_array(rng, a):
    if a.size == 0 or a.ndim == 0:
        return junk_values(rng)
    hole = np.array(a)
    hole.flat[int(rng.integers(0, a.size))] = rng.choice([np.nan, np.inf, 1e308, -1e308, 1e-320])
    choices = [
        a[:-1], a[..., :-1], a[1:, ...], np.concatenate([a, a]), a[None], a[None][[0, 0]], a.T, a.ravel(), a[:0], hole,
        np.asfortranarray(a), a[::-1], np.repeat(a, 2, axis=-1)[..., ::2], a.astype(np.float32), a.astype(np.float16),
        a.astype(np.longdouble), a.astype(complex), a.astype(object), a.astype(str), a.astype(int), a > 0,
        a.astype(">f8"), a * 1e160, a * 1e-160, a * 0.0, a * 1e308, np.round(a), a.tolist(), np.ma.masked_array(a),
        unaligned(a),
    ]  # fmt: skip
    return choices[int(rng.integers(0, len(choices)))]


def unaligned(a):
    return np.frombuffer(b"\0" + a.astype(float).tobytes(), np.uint8)[1:].view(float).reshape(a.shape)


def misspelt(rng):
    return rng.choice(["tolerance", "nthreads", "seeds", "X", "x", "n_hiden", "C_"])


def calls(ls, rng):
    """(name, function, positional arguments, keyword arguments), all valid."""
    case = cases.problem(int(rng.integers(0, 20)))
    cov, n0n1n2 = case.covariances(ls), case.shape
    n0, n1, n2 = n0n1n2
    net, m = ls.ShallowLinear(cov, n1), case.moments
    X, Y = rng.standard_normal((8, n0)), rng.standard_normal((8, n2))
    p, d = case.random_point(rng), case.random_point(rng)
    critical = case.points[int(rng.integers(0, len(case.points)))].point
    rho = case.rho
    many = tuple(np.stack([a, b]) for a, b in zip(p, d, strict=True))
    data = ls.Covariances.from_data(X, Y)
    certificate = net.certify(p)
    return [
        ("Covariances", ls.Covariances, (), {"xx": m.xx, "xy": m.xy, "yy": m.yy, "tol": 1e-12}),
        ("from_data", ls.Covariances.from_data, (X, Y),
         {"center": False, "sample_weight": np.ones(8), "method": "auto", "n_threads": 2}),
        ("from_chunks", ls.Covariances.from_chunks, ([(X, Y), (X, Y)],), {"center": True, "method": "factor"}),
        ("update", data.update, (X, Y), {"sample_weight": np.ones(8), "n_threads": 1}),
        ("merge", data.merge, (data,), {}),
        ("spectrum", cov.spectrum, (), {}),
        ("ShallowLinear", ls.ShallowLinear, (cov, n1), {}),
        ("pack", net.pack, (p,), {}),
        ("unpack", net.unpack, (net.pack(p),), {}),
        ("value", net.value, (many,), {}),
        ("gradient", net.gradient, (p,), {}),
        ("curvature", net.curvature, (p, many), {}),
        ("hvp", net.hvp, (many, d), {}),
        ("hessian", net.hessian, (p,), {}),
        ("matvec", net.hessian(p).matvec, (net.pack(d),), {}),
        ("predict", net.predict, (p, X), {}),
        ("global_minimum", net.global_minimum, (np.eye(n1),), {}),
        ("critical_point", net.critical_point, (tuple(range(rho)), np.eye(n1)), {}),
        ("random_critical_point", net.random_critical_point, (rho,), {"indices": None, "extra": True, "seed": 3}),
        ("critical_values", net.critical_values, (), {"max_count": 5}),
        ("classify", net.classify, (critical,), {"tol": 1e-8, "n_threads": 2}),
        ("classify batch", net.classify, (many,), {"tol": 1e-8}),
        ("escape_direction", net.escape_direction, (critical,), {}),
        ("escape", net.escape, (critical,), {}),
        ("certify", net.certify, (critical,), {"tol": 1e-8}),
        ("smallest_eigenpair", ls.curvature.smallest_eigenpair, (net, critical),
         {"tol": 1e-6, "max_products": 50, "method": "lanczos", "seed": 1}),
        ("curvature.spectrum", ls.curvature.spectrum, (net, p, 2), {"which": "largest"}),
        ("slice", ls.slice, (net, p, d, d), {"s": np.linspace(-1, 1, 5), "t": np.linspace(-1, 1, 3)}),
        ("load", ls.load, ("/nonexistent/file.npz",), {}),
        ("from_json", type(certificate).from_json, (certificate.to_json(),), {}),
    ]  # fmt: skip


def mutate(rng, positional, keywords):
    """Replace, drop or add one or two arguments (blocks inside points too)."""
    positional, keywords = list(positional), dict(keywords)
    for _ in range(int(rng.integers(1, 3))):
        action = rng.random()
        if positional and action < 0.5:
            i = int(rng.integers(0, len(positional)))
            if rng.random() < 0.7:
                positional[i] = bent(rng, positional[i])
            elif isinstance(positional[i], tuple) and positional[i] and rng.random() < 0.6:
                inner = list(positional[i])
                inner[int(rng.integers(0, len(inner)))] = junk_values(rng)
                positional[i] = tuple(inner)
            else:
                positional[i] = junk_values(rng)
        elif keywords and action < 0.8:
            key = str(rng.choice(list(keywords)))
            keywords[key] = bent(rng, keywords[key]) if rng.random() < 0.7 else junk_values(rng)
        elif action < 0.87:
            positional.append(junk_values(rng))
        elif action < 0.94 and positional:
            positional.pop(int(rng.integers(0, len(positional))))
        else:
            keywords[misspelt(rng)] = junk_values(rng)
    return positional, keywords


def campaign(ls, count, seed):
    """Yield (name, positional, keywords, exception or None) for ``count`` malformed calls.

    One table of valid calls serves 60 mutations, so that building it does not take the time.
    """
    rng = np.random.default_rng(seed)
    table = calls(ls, rng)
    for i in range(count):
        if i % 60 == 59:
            table = calls(ls, rng)
        name, function, positional, keywords = table[int(rng.integers(0, len(table)))]
        arguments = mutate(rng, positional, keywords)
        if name == "load" and any(isinstance(a, (int, np.integer)) for a in arguments[0]):
            continue  # open(1) would be this process's standard output: the table of silly calls has a harmless one
        try:
            result = function(*arguments[0], **arguments[1])
            if inspect.isgenerator(result):
                next(result, None)
        except Exception as error:
            yield name, *arguments, error
        else:
            yield name, *arguments, None

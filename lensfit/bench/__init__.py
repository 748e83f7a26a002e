"""The benchmark of the two compilers: published ways to w_tilde and F in NumPy, numba and JAX, beside lensfit's."""

"""The C++ stack, imitated as far as tests need it: what is refused there is refused here.

``exposures`` is what images of ours become, ``stored`` reads files that afw and obs_base wrote, ``tasks`` has
the tasks that benchmarks run, ``pipelines`` Rubin's pipelines with the connections of the real tasks.
"""

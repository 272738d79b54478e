"""What benchmarks are made of: stamps and models to judge, studies, results, pairs of images, processes."""

``python -m ler.demo`` shows two tiny models, or models of your own, behind one URL; with ``--mlx`` a third that MLX serves.

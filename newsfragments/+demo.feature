``python -m ler.demo`` shows two tiny models, or models of your own, behind one URL.

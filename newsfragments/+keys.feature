Keys can be limited to ``inference``, ``read`` or ``admin``, labelled for the log, and configured by their hash; web pages of accepted origins may read the answers (``cors``).

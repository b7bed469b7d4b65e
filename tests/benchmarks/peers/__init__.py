"""The same work (W1) in other frameworks, each as its documentation says; `run` measures them."""

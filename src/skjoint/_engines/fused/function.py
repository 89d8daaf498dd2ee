"""A function of tensors and variables, traced once and compiled by XLA where it can be."""

from __future__ import annotations

import functools
import threading

from skjoint._engines.fused.cache import training_programs
from skjoint._support.warn import warn

# TensorFlow never frees what XLA compiled, about 10 MB each. Shapes beyond train as a graph.
MAX_COMPILED = 100


class Function:
    """What a program runs, traced and compiled once for it and all that are built beside it.

    They differ in their variables. A traced function takes the handles of variables as
    further inputs, so that each calls it with its own.

    Parameters
    ----------
    run : callable
        Takes tensors, reads and assigns variables.
    handles : list
        Of these variables.
    trunk : Trunk or None
        Of the network.
    """

    def __init__(self, run, handles, trunk):
        self.run = run
        self.handles = handles
        # On a CPU XLA's convolutions are some 20 times slower than TensorFlow's own.
        self.can_compile = not (trunk and trunk.convolves)
        # Plain graphs of recurrent layers are quicker for being rewritten.
        self.config = _without_rewriting() if trunk is None else ""
        self.is_compiled = False
        self.traced = {}  # by whether it is compiled
        self.lock = threading.RLock()

    def __call__(self, arguments, handles, worth_compiling):
        """Run with a program's variables, compiled where that is worth it and possible."""
        if worth_compiling and not self.is_compiled:
            with self.lock:  # the first one compiles, the others wait for it
                if not self.is_compiled and self._may_compile():
                    results = self._compile(arguments, handles)
                    if self.is_compiled:
                        return results
        return self._call(arguments, handles, worth_compiling and self.can_compile)

    def _may_compile(self):
        """Whether to compile now, up to a number per process; a warning beyond."""
        if self.can_compile:
            self.can_compile = training_programs.may_compile(MAX_COMPILED)
            if not self.can_compile:
                warn(
                    f"This process has compiled {MAX_COMPILED} networks of other shapes, "
                    "which TensorFlow never frees. This one trains as a plain TensorFlow "
                    "graph, several times slower and with results that differ in their "
                    "last digits from those of a new process. Start one from time to "
                    "time, or use engine='keras'."
                )
        return self.can_compile

    def _compile(self, arguments, handles):
        """Results of the first compiled call; None, with a warning, if XLA refuses."""
        from tensorflow import errors

        refusals = errors.InvalidArgumentError, errors.NotFoundError, errors.UnimplementedError
        try:
            results = self._call(arguments, handles, True)
        except refusals as error:
            self.can_compile = False
            warn(
                "XLA cannot compile this network, which now trains as a plain TensorFlow graph, "
                f"several times slower: {str(error).splitlines()[0]}"
            )
            return None
        self.is_compiled = True
        return results

    def _call(self, arguments, handles, compiled):
        import tensorflow as tf

        with self.lock:
            if compiled not in self.traced:
                self.traced[compiled] = self._trace(arguments, compiled)
        function, captured = self.traced[compiled]
        more = [entry if place is None else handles[place] for place, entry in captured]
        return tf.raw_ops.StatefulPartitionedCall(
            args=[*tf.nest.flatten(arguments), *more],
            Tout=[output.dtype for output in function.outputs],
            f=function,
            config_proto=self.config,
        )

    def _trace(self, arguments, compiled):
        """The function of flat tensors, and what it takes beside them.

        An input is the handle of a variable, named by its place, or a tensor.
        """
        import tensorflow as tf

        form = tf.nest.map_structure(lambda tensor: None, arguments)
        tensors = tf.nest.flatten(arguments)

        def run(*tensors):
            return self.run(*tf.nest.pack_sequence_as(form, tensors))

        function = tf.function(run, autograph=False, jit_compile=compiled or None)
        function = function.get_concrete_function(*tensors)
        if compiled:
            # What is called by name would run as a graph; what it calls in turn is compiled.
            inner = function
            function = tf.function(lambda *tensors: inner(*tensors), autograph=False)
            function = function.get_concrete_function(*tensors)
        places = {id(handle): place for place, handle in enumerate(self.handles)}
        return function, [(places.get(id(entry)), entry) for entry in function.captured_inputs]


@functools.cache
def _without_rewriting():
    """Settings of a call whose graph TensorFlow need not rewrite, which takes half a second.

    XLA does that by itself, and a plain graph of dense layers is no quicker for it.
    """
    from tensorflow.core.protobuf.config_pb2 import ConfigProto

    config = ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config.SerializeToString()

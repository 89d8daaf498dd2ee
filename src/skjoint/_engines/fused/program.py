"""Engine: whole epochs inside one compiled TensorFlow program.

``keras.Model.fit`` comes back to Python after every step, which costs more
than the step of a small network. Here the loops over epochs and steps, the
gradients and Keras' own optimizer are one function, compiled by XLA; Python
sees an epoch's logs about once a second, or after each epoch when a hook has
to.

The mathematics is that of the Keras engine, batch for batch. What changes
between fits enters as tensors: rows (padded to a bucket, with weight 0), the
number of steps, batch order, learning rate, L2, loss weights. So fits of one
shape share a program (:mod:`skjoint._engines.fused.cache`).
"""

from __future__ import annotations

import functools
import math
import threading
import time
import weakref

import numpy as np

from skjoint._engines.balancing import METHODS, label_means
from skjoint._engines.fused.cache import training_programs
from skjoint._engines.fused.small import small_variables
from skjoint._engines.optimizers import (
    new_optimizer,
    optimizer_key,
    optimizer_state,
    resume_optimizer,
    set_optimizer_state,
)
from skjoint._engines.plan import Result, epoch_order, log_names
from skjoint._engines.routing import release
from skjoint._network.losses import loss_key, per_sample
from skjoint._network.spec import build_model, call_model, get_weights, restart_model
from skjoint._support.keras_import import import_keras, no_retracing_advice, untouched_random
from skjoint._support.warn import warn

FIRST_STEPS = 32  # of a fit, before their speed is known
ORDER_ENTRIES = 2**18  # batch order that is drawn and handed over at once
LARGE = 2**24  # numbers in X from which padding is kept small: 64 MB
# A plain graph is traced in a fraction of XLA's compile time and runs each step about ten times
# slower: from so many steps of a fit on, those of all its networks, compiling pays. Both round
# differently, so that the fit alone decides, never what ran before it.
STEPS_WORTH_COMPILING = 750
# TensorFlow never frees what XLA compiled, about 10 MB each. Shapes beyond train as a graph.
MAX_COMPILED = 100
ALIGNMENT = 64  # bytes, of what TensorFlow reads where it lies

tables = weakref.WeakValueDictionary()  # tensors of the fits that run
tables_lock = threading.Lock()


def train(plan, on_epoch, callbacks=()):
    """Carry out a plan; see :func:`skjoint._engines.keras_fit.train` for the arguments."""
    n_samples = len(plan.rows.table)
    n_validation = len(plan.validation or ())
    one_batch = validation_batch(plan)

    def fits(program):
        if not n_samples <= program.n_rows <= 8 * n_samples:
            return False
        most = max(8 * n_validation, one_batch)
        return not n_validation or n_validation <= program.n_validation <= most

    # Callbacks may save the optimizer with the model, for which it must have its variables.
    joins = not callbacks

    def build(other):
        return Program(plan, other, joins)

    borrowed = training_programs.borrow((*program_key(plan), joins), fits, build)
    with borrowed as program, no_retracing_advice():
        return program.train(plan, on_epoch, callbacks)


def program_key(plan):
    """What a program is compiled for, but for its sizes."""
    network = plan.network
    return (
        (network.input_shape, network.trunk, tuple(network.layers()), network.dropout),
        tuple(loss_key(loss) for loss in plan.losses),
        optimizer_key(plan.optimizer),
        batch_size(plan),
        plan.validation is not None,
        plan.balancing,
    )


def bucket(n_samples, n_inputs=1):
    """Rows to compile for: room for the refit on all rows after folds, little waste when large."""
    if n_samples > 100_000 or n_samples * n_inputs > LARGE:
        step = 2 ** (int(np.log2(n_samples)) - 4)
        return -(-n_samples // step) * step
    return max(64, 2 ** int(np.ceil(np.log2(1.5 * n_samples))))


def batch_size(plan):
    """Rows of a batch, with padding no more than the fit can use; sums depend on it in bits."""
    return min(plan.batch_size, bucket(len(plan.rows), plan.network.n_inputs))


def validation_batch(plan):
    """Rows of a validation batch, whose logs depend on it in bits: never on the program's size."""
    return max(64, batch_size(plan))


def as_tensor(array, size):
    """The array with zeros behind its rows; TensorFlow's own way there copies it three times."""
    import tensorflow as tf

    row = array.itemsize * math.prod(array.shape[1:])
    memory = np.zeros(size * row + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    padded = memory[start : start + size * row].view(array.dtype)
    padded = padded.reshape(size, *array.shape[1:])
    padded[: len(array)] = array
    # On a GPU the identity is a copy there, on a CPU none.
    return tf.identity(tf.experimental.dlpack.from_dlpack(padded.__dlpack__()))


def shared_table(table, size):
    """The padded table as a tensor: the same one for all members that train at the moment."""
    key = (id(table), size)  # no other table's: whoever has the tensor has the table, too
    with tables_lock:
        tensor = tables.get(key)
        if tensor is None:
            tensor = tables[key] = as_tensor(table, size)
    return tensor


class Program:
    """A template network with its optimizer, and the compiled function that trains it.

    One that is built beside ``other``, of the same key, has its sizes and its function.
    ``joins``: whether the optimizer may move small variables as one vector.
    """

    def __init__(self, plan, other=None, joins=True):
        import tensorflow as tf

        self.heads = plan.network.heads
        self.n_rows = bucket(len(plan.rows.table), plan.network.n_inputs)
        self.n_validation = 0
        if plan.validation is not None:
            n_validation = bucket(max(1, len(plan.validation)), plan.network.n_inputs)
            self.validation_batch = batch = validation_batch(plan)
            self.n_validation = -(-n_validation // batch) * batch
        if other is not None:
            self.n_rows, self.n_validation = other.n_rows, other.n_validation
        self.batch_size = batch_size(plan)
        self.n_orders = max(1, ORDER_ENTRIES // self.n_rows)
        self.log_names = log_names(plan, plan.validation is not None)
        self.n_sums = 1 + (4 if plan.balancing else 3) * len(self.heads)
        self.row_losses = [per_sample(loss) for loss in plan.losses]
        self.schedule = plan.optimizer.schedule
        # The penalty is part of the function, with alpha as a tensor.
        self.network = plan.network.without_penalty()
        self.model = build_model(self.network, keep_parts=True)
        self.inside = None  # while a batch is traced: 1 for its rows, 0 for padding
        for layer in self.model._flatten_layers():
            if isinstance(layer, import_keras().layers.BatchNormalization):
                self._leave_padding_out(layer)
        with untouched_random():
            self.optimizer = new_optimizer(plan.optimizer)
            # There is one device and nothing to sum up between devices; doing it all the same
            # would leave the whole graph in TensorFlow's registry of gradients for good.
            self.optimizer._all_reduce_sum_gradients = list
            moved = self.model.trainable_variables
            settings = plan.optimizer, self.network, moved
            self.small = small_variables(*settings) if joins else None
            self.optimizer.build(self.small.moved if self.small else moved)
        self.fresh_state = optimizer_state(self.optimizer, self.small)
        variables = [v.value for v in (*self.model.variables, *self.optimizer.variables)]
        self.n_numbers = sum(math.prod(variable.shape) for variable in variables)
        if self.small:
            variables.append(self.small.vector.value)
        self.balancing = None
        if plan.balancing:
            self.balancing = METHODS[plan.balancing]([head.kind for head in self.heads])
            self.balancing_state = tf.Variable(self.balancing.init())
            self.loss_weights = tf.Variable(tf.ones(len(self.heads)))  # of the last step
            variables += [self.balancing_state, self.loss_weights]
        self.handles = [variable.handle for variable in variables]
        # On a CPU XLA's convolutions are some 20 times slower than TensorFlow's own.
        can_compile = not (self.network.trunk and self.network.trunk.convolves)
        self.function = other.function if other else Function(self, can_compile)

    @property
    def is_compiled(self):
        return self.function.is_compiled

    # ------------------------------------------------------------------ a fit
    def train(self, plan, on_epoch, callbacks):
        self._load(plan)
        inputs = self._inputs(plan)
        listeners = _Callbacks(callbacks, self.model, self.optimizer, plan)
        every_epoch = bool(callbacks) or getattr(on_epoch, "every_epoch", False)
        history, wanted = {}, log_names(plan)
        epoch, stop = plan.first_epoch, False
        step, n_steps = 0, FIRST_STEPS  # done of the epoch; steps that take about a second
        try:
            listeners.begin()
            while epoch < plan.last_epoch and not stop:
                n_epochs = 1 if every_epoch or step else max(1, n_steps // plan.n_steps)
                n_epochs = min(n_epochs, plan.last_epoch - epoch, self.n_orders)
                if step == 0:
                    sums = np.zeros(self.n_sums, np.float32)
                    listeners.begin_epoch(epoch)
                steps = (step, min(plan.n_steps, step + n_steps))
                start = time.perf_counter()
                rows, sums = self._call(plan, inputs, epoch, n_epochs, steps, sums)
                done = (steps[1] - step) * n_epochs
                rate = done / max(time.perf_counter() - start, 1e-6)
                # The first calls, which trace and compile, say little about the rate.
                n_steps = int(min(max(rate, 1), 8 * n_steps))
                step = steps[1] % plan.n_steps
                for logs in rows if step == 0 else ():
                    logs = zip(self.log_names, map(float, logs), strict=True)
                    logs = {name: value for name, value in logs if name in wanted}
                    stop = on_epoch(epoch, logs, lambda: get_weights(self.model, plan.network))
                    for name, value in logs.items():
                        history.setdefault(name, []).append(float(value))
                    stop = listeners.end_epoch(epoch, logs) or stop
                    epoch += 1
            with untouched_random():
                self.optimizer.finalize_variable_values(self.model.trainable_variables)
            listeners.end()
        finally:
            listeners.detach()
        return Result(
            get_weights(self.model, plan.network),
            optimizer_state(self.optimizer, self.small),
            history,
            self.balancing_state.numpy() if self.balancing else None,
        )

    def _load(self, plan):
        """Initial weights, seeds and optimizer state of this fit into the template."""
        restart_model(self.model, plan.network, [plan.seed, plan.first_epoch], plan.weights)
        set_optimizer_state(self.optimizer, self.fresh_state, self.small)
        resume_optimizer(self.optimizer, plan, self.small)
        if plan.optimizer.rate is not None:
            self.optimizer.learning_rate = plan.optimizer.rate
        if self.balancing:
            state = plan.balancing_state
            self.balancing_state.assign(self.balancing.init() if state is None else state)
            self.loss_weights.assign([1.0] * len(self.heads))

    def _inputs(self, plan):
        """All tensors of a fit but the batch order, padded to the program's sizes."""
        import tensorflow as tf

        def by_row(rows, size):
            arrays = [rows.positions, *rows.targets, *rows.weights]
            return [as_tensor(array, size) for array in arrays]

        validation = [] if plan.validation is None else by_row(plan.validation, self.n_validation)
        return {
            "table": shared_table(plan.rows.table, self.n_rows),
            "rows": by_row(plan.rows, self.n_rows),
            "n_samples": tf.constant(len(plan.rows)),
            "n_steps": tf.constant(plan.n_steps),
            "validation": validation,
            "n_validation": tf.constant(len(plan.validation or ())),
            "loss_weights": tf.constant(plan.loss_weights, tf.float32),
            "scales": [tf.constant(scale, tf.float32) for scale in plan.value_scales],
            "alpha": tf.constant(plan.network.alpha, tf.float32),
            "rate": tf.constant(plan.optimizer.rate or 0.0, tf.float32),
            "decay_steps": tf.constant(plan.n_steps * plan.epochs, tf.float32),
        }

    def _call(self, plan, inputs, epoch, n_epochs, steps, sums):
        """Train some epochs, or some steps of one: logs as rows, sums of an unfinished epoch."""
        import tensorflow as tf

        n_samples = len(plan.rows)
        orders = np.zeros((self.n_orders, self.n_rows + self.batch_size), np.int32)
        for i in range(n_epochs):
            orders[i, :n_samples] = epoch_order(plan.seed, epoch + i, n_samples)
        arguments = (inputs, tf.constant(orders), tf.constant(n_epochs))
        arguments += (tf.constant(steps), tf.constant(sums))
        worth_it = plan.n_steps * plan.epochs * plan.n_alike > STEPS_WORTH_COMPILING
        logs, sums = self.function(arguments, self.handles, worth_it)
        return logs.numpy()[:n_epochs], sums

    # ----------------------------------------------------- the traced function
    def run(self, inputs, orders, n_epochs, steps, sums):
        """Logs of ``n_epochs`` epochs, (n_orders, n_logs), and the sums of the last one.

        A single epoch may be a range of its ``steps`` that goes on from ``sums``.
        """
        import tensorflow as tf

        if self.small:
            self.small.gather()

        def epoch(i, logs, sums):
            start = tf.where(i == 0, sums, 0.0)
            sums = self._steps(inputs, orders[i], steps, start)
            row = tf.cond(
                steps[1] == inputs["n_steps"],
                lambda: self._end_epoch(inputs, sums),
                lambda: tf.zeros(len(self.log_names)),
            )
            return i + 1, tf.tensor_scatter_nd_update(logs, [[i]], [row]), sums

        start = (tf.constant(0), tf.zeros((self.n_orders, len(self.log_names))), sums)
        return tf.while_loop(lambda i, logs, sums: i < n_epochs, epoch, start)[1:]

    def _steps(self, inputs, order, steps, sums):
        import tensorflow as tf

        def step(i, sums):
            return i + 1, sums + self._step(inputs, order, i)

        return tf.while_loop(lambda i, sums: i < steps[1], step, (steps[0], sums))[1]

    def _end_epoch(self, inputs, sums):
        """Logs of an epoch from its sums, and the validation that follows it."""
        import tensorflow as tf

        n_heads = len(self.heads)
        n_samples = tf.cast(inputs["n_samples"], tf.float32)
        logs = [self._logs(sums[: 1 + 3 * n_heads], n_samples)]
        if self.n_validation:
            logs.append(self._validate(inputs))
        if self.balancing:
            logs.append(sums[1 + 3 * n_heads :] / n_samples)
            if self.balancing.by_epoch:
                losses = logs[0][1 : 1 + n_heads]
                state = self.balancing.update(self.balancing_state, losses, losses, None)
                self.balancing_state.assign(state)
        return tf.concat(logs, axis=0)

    def _step(self, inputs, order, i):
        """One batch: weights move; sums of the total, head losses, metrics and weights."""
        import tensorflow as tf

        size = self.batch_size
        rows = tf.slice(order, [i * size], [size])
        n_rows = tf.minimum(size, inputs["n_samples"] - i * size)
        by_row = [tf.gather(array, rows) for array in inputs["rows"]]
        X, targets, weights = self._batch(inputs["table"], by_row)
        inside = tf.cast(tf.range(size) < n_rows, tf.float32)
        weights = [w * inside for w in weights]
        n_rows = tf.cast(n_rows, tf.float32)
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self._call_in_training(X, inside)
            losses = self._head_losses(targets, outputs, weights)
            factors = inputs["loss_weights"]
            if self.balancing:
                factors = self._balance(losses, weights)
            total = tf.reduce_sum(factors * losses) / n_rows
            total += self._penalty(inputs["alpha"])
        gradients = tape.gradient(total, [v.value for v in variables])
        if self.small:
            self.optimizer.apply(self.small.gradients(gradients), self.small.moved)
            self.small.scatter()
        else:
            self.optimizer.apply(gradients, variables)
        if self.balancing and not self.balancing.by_epoch:
            self._update_balancing(X, inside, targets, losses, weights)
        if self.schedule == "cosine":  # the variable holds the rate of the next step
            done = tf.cast(self.optimizer.iterations.value, tf.float32) / inputs["decay_steps"]
            rate = inputs["rate"] * 0.5 * (1 + tf.cos(np.pi * tf.minimum(done, 1.0)))
            self.optimizer.learning_rate.assign(rate)
        sums = [[total * n_rows], losses, *self._metrics(inputs, targets, outputs, weights)]
        if self.balancing:
            sums.append(factors * n_rows)
        return tf.concat(sums, axis=0)

    def _balance(self, losses, weights):
        """Factors of the heads' losses in this step."""
        import tensorflow as tf

        means, present = label_means(tf.stop_gradient(losses), _sums(weights))
        self.loss_weights.assign(self.balancing.weigh(self.balancing_state, means, present))
        return self.loss_weights.value()

    def _update_balancing(self, X, inside, targets, losses, weights):
        sums = _sums(weights)
        means, present = label_means(losses, sums)
        later = means
        if self.balancing.looks_ahead:
            outputs = self._call_in_training(X, inside)
            later, _ = label_means(self._head_losses(targets, outputs, weights), sums)
        state = self.balancing.update(self.balancing_state, means, later, present)
        self.balancing_state.assign(state)

    def _validate(self, inputs):
        import tensorflow as tf

        size = self.validation_batch

        def batch(i, sums):
            # XLA takes array[i * size : (i + 1) * size] to have any length, up to the whole.
            by_row = [
                tf.slice(array, [i * size] + [0] * (len(array.shape) - 1), [size, *array.shape[1:]])
                for array in inputs["validation"]
            ]
            X, targets, weights = self._batch(inputs["table"], by_row)
            outputs = call_model(self.model, X, training=False)
            losses = self._head_losses(targets, outputs, weights)
            factors = self.loss_weights if self.balancing else inputs["loss_weights"]
            total = tf.reduce_sum(factors * losses)
            metrics = self._metrics(inputs, targets, outputs, weights)
            return i + 1, sums + tf.concat([[total], losses, *metrics], axis=0)

        n_samples = inputs["n_validation"]
        n_batches = (n_samples + size - 1) // size
        start = (tf.constant(0), tf.zeros(1 + 3 * len(self.heads)))
        sums = tf.while_loop(lambda i, sums: i < n_batches, batch, start)[1]
        logs = self._logs(sums, tf.cast(n_samples, tf.float32))
        # The penalty is no sum over rows.
        return logs + tf.one_hot(0, logs.shape[0]) * self._penalty(inputs["alpha"])

    def _batch(self, table, by_row):
        """X, targets and weights from a batch's positions in the table, targets and weights."""
        import tensorflow as tf

        positions, *rest = by_row
        n_heads = len(self.heads)
        return tf.gather(table, positions), rest[:n_heads], rest[n_heads:]

    def _call_in_training(self, X, inside):
        """Outputs of a batch; ``inside`` is 1 for its rows, 0 for the padding behind them."""
        self.inside = inside
        outputs = call_model(self.model, X, training=True)
        self.inside = None
        return outputs

    def _head_losses(self, targets, outputs, weights):
        """Per head the weighted sum of the rows' losses."""
        import tensorflow as tf

        return tf.stack(
            [
                tf.reduce_sum(w * loss(target, output))
                for loss, target, output, w in zip(
                    self.row_losses, targets, outputs, weights, strict=True
                )
            ]
        )

    def _penalty(self, alpha):
        """L2 of our own layers, and what the layers of a trunk add by themselves."""
        import tensorflow as tf

        layers = [self.model.get_layer(name) for name in self.network.keras_names().values()]
        dense = [layer for layer in layers if hasattr(layer, "kernel") and layer.trainable]
        kernels = [tf.reshape(layer.kernel.value, [-1]) for layer in dense]
        # A product costs XLA one call, a sum of squares several kernels.
        penalty = alpha * tf.add_n([tf.tensordot(kernel, kernel, 1) for kernel in kernels])
        return tf.add_n([penalty, *self.model.losses])

    def _leave_padding_out(self, layer):
        """Keep the rows behind a short batch out of the statistics of a batch normalisation."""
        import tensorflow as tf

        call = layer.call

        def call_with_mask(inputs, training=None, mask=None):
            if training and self.inside is not None:
                rows = self.inside > 0
                if inputs.shape[0] != self.batch_size:  # time was merged into the batch
                    rows = tf.repeat(rows, inputs.shape[0] // self.batch_size)
                rows = tf.reshape(rows, [-1] + [1] * (len(inputs.shape) - 2))
                mask = rows if mask is None else tf.logical_and(mask, rows)
            return call(inputs, training=training, mask=mask)

        layer.call = call_with_mask

    def _metrics(self, inputs, targets, outputs, weights):
        """Weighted sums of each head's metric, and the sums of the weights."""
        import tensorflow as tf

        scales = iter(inputs["scales"])
        found = []
        for head, target, output, w in zip(self.heads, targets, outputs, weights, strict=True):
            if head.kind == "value":
                n = head.n_units  # the rest is for the loss
                error = target[:, :n] - output[:, :n]
                metric = tf.reduce_mean(tf.abs(error) * next(scales), axis=-1)
            else:
                predicted = tf.argmax(output, axis=-1, output_type=tf.int32)
                metric = tf.cast(predicted == target, tf.float32)
            found.append(tf.reduce_sum(w * metric))
        return tf.stack(found), _sums(weights)

    def _logs(self, sums, n_samples):
        """Means from sums: of the total over rows, of the heads over their weights."""
        import tensorflow as tf

        total, losses, metrics, weights = tf.split(sums, [1, *[len(self.heads)] * 3])
        parts = [total / n_samples]
        parts += [tf.math.divide_no_nan(part, weights) for part in (losses, metrics)]
        return tf.concat(parts, axis=0)


def _sums(weights):
    import tensorflow as tf

    return tf.stack([tf.reduce_sum(w) for w in weights])


@functools.cache
def _as_it_is():
    """Settings of a call whose graph TensorFlow need not rewrite, which takes half a second.

    XLA does that by itself, and a plain graph of dense layers is no quicker for it.
    """
    from tensorflow.core.protobuf.config_pb2 import ConfigProto

    config = ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return config.SerializeToString()


class Function:
    """What a program runs, traced and compiled once for it and all that are built beside it.

    They differ in their variables. A traced function takes the handles of variables as
    further inputs, so that each calls it with its own.
    """

    def __init__(self, program, can_compile):
        self.run = program.run
        self.handles = program.handles
        self.can_compile = can_compile
        # Plain graphs of recurrent layers are quicker for being rewritten.
        self.config = _as_it_is() if program.network.trunk is None else ""
        self.is_compiled = False
        self.traced = {}  # by whether it is compiled
        self.lock = threading.RLock()

    def __call__(self, arguments, handles, worth_compiling):
        """Run with a program's variables, compiled where that is worth it and possible."""
        import tensorflow as tf

        if worth_compiling and not self.is_compiled:
            with self.lock:  # the first one compiles, the others wait for it
                if not self.is_compiled and self.can_compile:
                    self.can_compile = training_programs.may_compile(MAX_COMPILED)
                    if not self.can_compile:
                        warn(
                            f"This process has compiled {MAX_COMPILED} networks of other shapes, "
                            "which TensorFlow never frees. This one trains as a plain TensorFlow "
                            "graph, several times slower and with results that differ in their "
                            "last digits from those of a new process. Start one from time to "
                            "time, or use engine='keras'."
                        )
                if not self.is_compiled and self.can_compile:
                    try:
                        results = self._call(arguments, handles, True)
                        self.is_compiled = True
                        return results
                    except (
                        tf.errors.InvalidArgumentError,
                        tf.errors.NotFoundError,
                        tf.errors.UnimplementedError,
                    ) as error:
                        self.can_compile = False
                        warn(
                            "XLA cannot compile this network, which now trains as a plain "
                            "TensorFlow graph, several times slower: "
                            f"{str(error).splitlines()[0]}"
                        )
        return self._call(arguments, handles, worth_compiling and self.can_compile)

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


class _Callbacks:
    """Keras callbacks at epoch granularity."""

    def __init__(self, callbacks, model, optimizer, plan):
        self.callbacks = callbacks
        self.model = model
        self.list = None
        if callbacks:
            keras = import_keras()
            with untouched_random():
                model.compile(optimizer=optimizer)
            model.stop_training = False
            self.list = keras.callbacks.CallbackList(
                list(callbacks), model=model, epochs=plan.last_epoch, steps=plan.n_steps, verbose=0
            )

    def begin(self):
        if self.list:
            self.list.on_train_begin()

    def begin_epoch(self, epoch):
        if self.list:
            self.list.on_epoch_begin(epoch)

    def end_epoch(self, epoch, logs):
        if not self.list:
            return False
        self.list.on_epoch_end(epoch, logs)
        return bool(self.model.stop_training)

    def end(self):
        if self.list:
            self.list.on_train_end()

    def detach(self):
        release(self.callbacks)

"""Keras callbacks, called by the epoch."""

from __future__ import annotations

from skjoint._engines.callback_needs import release
from skjoint._support.keras_import import import_keras, untouched_random


class EpochCallbacks:
    """The callbacks of one fit; without any nothing is called and Keras compiles nothing."""

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
        """Whether a callback stops the training."""
        if not self.list:
            return False
        self.list.on_epoch_end(epoch, logs)
        return bool(self.model.stop_training)

    def end(self):
        if self.list:
            self.list.on_train_end()

    def detach(self):
        release(self.callbacks)

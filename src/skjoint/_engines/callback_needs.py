"""What Keras callbacks need of an engine."""

from __future__ import annotations

from skjoint._support.keras_import import import_keras

# Callbacks that have methods for batches but, with this setting, need them at epochs only.
# TerminateOnNaN: skjoint._engines.hooks.stop_at_nan stops at a NaN anyway, with every engine.
AT_EPOCHS = {
    "ModelCheckpoint": ("save_freq", "epoch"),
    "BackupAndRestore": ("save_freq", "epoch"),
    "TensorBoard": ("update_freq", "epoch"),
    "TerminateOnNaN": None,
}


def listens_to_batches(callback):
    """Whether a callback has to be called for every batch."""
    callbacks = import_keras().callbacks
    if type(callback) is getattr(callbacks, type(callback).__name__, None):
        setting = AT_EPOCHS.get(type(callback).__name__, ())
        if setting is None or (setting and getattr(callback, setting[0]) == setting[1]):
            return False
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(callbacks.Callback, hook)
        for hook in hooks
    )


def sets_rate(callback):
    """Whether a callback of Keras' own sets the learning rate."""
    callbacks = import_keras().callbacks
    return isinstance(callback, (callbacks.ReduceLROnPlateau, callbacks.LearningRateScheduler))


def release(callbacks):
    """Take the model from callbacks: with it they could be neither cloned nor pickled."""
    for callback in callbacks:
        callback.set_model(None)

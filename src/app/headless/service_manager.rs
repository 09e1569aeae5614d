//! Tells the service manager that started this process, if one did (systemd with `Type=notify`), what it does.
//!
//! Format: sd_notify(3), a datagram to the socket that `NOTIFY_SOCKET` names.

use sd_notify::NotifyState;

/// The server listens.
pub(super) fn ready() {
    notify(NotifyState::Ready);
}

/// The server stops; transfers that run may still finish.
pub(super) fn stopping() {
    notify(NotifyState::Stopping);
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("the service manager was not notified: {error}");
    }
}

//! The certificate authorities of the system.

use std::sync::{Arc, OnceLock};

use rustls::{RootCertStore, client::WebPkiServerVerifier};

use crate::net::tls;

/// The system's authorities, read at the first call; `None` if there are none.
pub(super) fn system() -> Option<&'static WebPkiServerVerifier> {
    static SYSTEM: OnceLock<Option<Arc<WebPkiServerVerifier>>> = OnceLock::new();
    let load = || {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!("authorities of the system: {error}");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build().ok()
    };
    SYSTEM.get_or_init(load).as_deref()
}

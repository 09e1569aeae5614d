//! The certificate authorities of the system, and those of a file of the user.

use std::{io, path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    client::WebPkiServerVerifier,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::net::tls;

/// The system's authorities and those of `file`; `None` if there are none.
pub(super) fn authorities(file: Option<&Path>) -> Option<Arc<WebPkiServerVerifier>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!("authorities of the system: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if let Some(file) = file {
        match read_authorities(file) {
            Ok(certificates) => drop(roots.add_parsable_certificates(certificates)),
            Err(error) => tracing::warn!("authorities of {}: {error}", file.display()),
        }
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build().ok()
}

/// The certificates in a PEM file: at least one.
///
/// # Errors
/// It cannot be read, or has none.
pub(crate) fn read_authorities(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let bytes = std::fs::read(file)?;
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(invalid("it has no certificate in PEM form".to_owned()))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(invalid(error.to_string())),
    }
}

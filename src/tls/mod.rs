//! TLS 1.3 as both ends speak it: what is agreed, without a socket, by `rustls` with the provider `ring`.

mod session;

use std::sync::{Arc, LazyLock};

use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        CryptoProvider,
        ring::{self, cipher_suite},
    },
    pki_types::CertificateDer,
    version::TLS13,
};
use sha2::{Digest, Sha256};

use crate::protocol::pin::Pin;

pub(crate) use session::Session;

/// What is offered and agreed by ALPN.
pub(crate) const PROTOCOL: &[u8] = b"fdsp/1";

/// Nothing older.
pub(crate) const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13];

/// The fastest first, where the processor has instructions for it, as nearly every one does.
const SUITES: &[SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
];

/// The cryptography of this program.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider { cipher_suites: SUITES.to_vec(), ..ring::default_provider() })
    });
    Arc::clone(&PROVIDER)
}

/// The pin of a certificate.
pub(crate) fn pin(certificate: &CertificateDer<'_>) -> Pin {
    Pin(Sha256::digest(certificate).into())
}

#[cfg(test)]
mod tests {
    use rustls::ProtocolVersion;

    use super::*;

    #[test]
    fn nothing_but_tls_1_3_is_spoken() {
        let provider = provider();
        assert_eq!(provider.cipher_suites.len(), 3);
        assert!(
            provider.cipher_suites.iter().all(|suite| suite.version().version == ProtocolVersion::TLSv1_3)
        );
    }
}

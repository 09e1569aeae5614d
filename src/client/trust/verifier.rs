//! Verifies the certificate of one server in its handshake.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::{
    client::trust::servers::{KnownServers, Trusted, Untrusted},
    net::tls,
    protocol::{address::Authority, trust::pin::Pin},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Verifier {
    servers: Arc<KnownServers>,
    authority: Authority,
    /// The only name whose certificate is that of the server, if there may be a proxy before it.
    behind_proxy: Option<String>,
    /// Whether secrets are sent, so that a certificate that was accepted on its first use is not enough.
    secrets: bool,
    verdict: Mutex<Option<Result<(Pin, Trusted), Untrusted>>>,
}

impl Verifier {
    pub(crate) fn new(servers: Arc<KnownServers>, authority: Authority) -> Verifier {
        Verifier { servers, authority, behind_proxy: None, secrets: false, verdict: Mutex::default() }
    }

    /// The verifier of a web server, which may be reached through a proxy with a certificate of its own: only authorities verify that one.
    /// `secrets`: whether secrets are sent to the server.
    pub(crate) fn of_web_server(servers: Arc<KnownServers>, authority: Authority, secrets: bool) -> Verifier {
        Verifier { behind_proxy: Some(authority.host.clone()), secrets, ..Verifier::new(servers, authority) }
    }

    /// Forgets the certificate of an earlier handshake.
    pub(crate) fn reset(&self) {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Why it was not believed, if that was so.
    pub(crate) fn untrusted(&self) -> Option<Untrusted> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).take_if(|verdict| verdict.is_err())?.err()
    }

    /// The certificate of a new server, once for each handshake.
    pub(crate) fn take_new(&self) -> Option<Pin> {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new =
            |verdict: &mut Result<(Pin, Trusted), Untrusted>| matches!(verdict, Ok((_, Trusted::New)));
        verdict.take_if(is_new)?.ok().map(|(pin, _)| pin)
    }

    /// The certificate that is trusted, and why.
    pub(crate) fn found(&self) -> Option<(Pin, Trusted)> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.as_ref().ok().copied()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by_system = || {
            self.servers.authorities().is_some_and(|authorities| {
                authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp, now).is_ok()
            })
        };
        let refused = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        let name = server_name.to_str();
        if self.behind_proxy.as_ref().is_some_and(|own| !own.eq_ignore_ascii_case(&name)) {
            return if by_system() { Ok(ServerCertVerified::assertion()) } else { Err(refused) };
        }
        let pin = tls::pin(end_entity);
        let verdict = match self.servers.verify(&self.authority, pin, by_system) {
            Ok(Trusted::New | Trusted::FirstUse) if self.secrets => Err(Untrusted::Unchecked { found: pin }),
            verdict => verdict.map(|trusted| (pin, trusted)),
        };
        let verified = match verdict {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(_) => Err(refused),
        };
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        verified
    }

    /// That the server has the key of its certificate. Only web servers have TLS 1.2.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &tls::provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &tls::provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        tls::provider().signature_verification_algorithms.supported_schemes()
    }
}

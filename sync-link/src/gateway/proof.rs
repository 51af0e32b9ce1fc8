//! The proof of identity where a proxy ends TLS: a signature, with the key of the agent's certificate, over a nonce of the
//! service and over the request itself.
//!
//! `Authorization: AgentProof <JWS>`: a compact JWS (RFC 7515) with the algorithm ES256, the certificate chain in `x5c`,
//! and [`ProofClaims`] as payload. The agent asks `POST /agent/challenge` for a nonce before each request.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// The scheme of the `Authorization` header.
pub const PROOF_SCHEME: &str = "AgentProof";
/// The type of the JWS, so that no signature for something else fits.
const TYPE: &str = "agent-proof+jwt";
const ALGORITHM: &str = "ES256";
/// The longest proof that is looked at: two certificates and the claims have room.
const MAX: usize = 12 * 1024;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofClaims {
    /// The nonce of the challenge, good once.
    pub nonce: String,
    /// The method of the request.
    pub htm: String,
    /// The address of the request, as the agent knows it: the service's public address and the path, without a query.
    pub htu: String,
    /// The SHA-256 of the body in base64url.
    pub bsh: String,
}

impl ProofClaims {
    /// The claims for a request.
    #[must_use]
    pub fn new(nonce: &str, method: &http::Method, address: &str, body: &[u8]) -> Self {
        Self {
            nonce: nonce.to_owned(),
            htm: method.as_str().to_owned(),
            htu: address.to_owned(),
            bsh: URL_SAFE_NO_PAD.encode(digest(&SHA256, body)),
        }
    }
}

/// Why there is no proof, or it is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The agent's key or certificate cannot be used.
    #[error("the agent's {0} cannot be used for a signature")]
    Key(&'static str),
    /// The text is not the JWS that it should be.
    #[error("the proof is malformed: {0}")]
    Form(&'static str),
    /// The signature is not of this key over these claims.
    #[error("the signature of the proof is wrong")]
    Signature,
}

#[derive(Serialize, Deserialize)]
struct Head {
    typ: String,
    alg: String,
    x5c: Vec<String>,
}

/// An agent's key with its certificate, to sign proofs.
pub struct ProofKey {
    key: EcdsaKeyPair,
    head: String,
}

impl ProofKey {
    /// From PEM: the P-256 key as PKCS #8, the certificate and what is between it and the CA.
    ///
    /// # Errors
    /// [`ProofError::Key`].
    pub fn from_pem(key: &SecretString, chain: &str) -> Result<Self, ProofError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(key.expose_secret().as_bytes())
            .map_err(|_| ProofError::Key("key"))?;
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der())
                .map_err(|_| ProofError::Key("key"))?;
        let x5c = CertificateDer::pem_slice_iter(chain.as_bytes())
            .map(|certificate| certificate.map(|der| STANDARD.encode(der)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| ProofError::Key("certificate"))?;
        if x5c.is_empty() {
            return Err(ProofError::Key("certificate"));
        }
        let head = Head { typ: TYPE.to_owned(), alg: ALGORITHM.to_owned(), x5c };
        let head = serde_json::to_vec(&head).map_err(|_| ProofError::Key("certificate"))?;
        Ok(Self { key, head: URL_SAFE_NO_PAD.encode(head) })
    }

    /// The value of the `Authorization` header for a request.
    ///
    /// # Errors
    /// [`ProofError::Key`] where the system does not sign.
    pub fn sign(&self, claims: &ProofClaims) -> Result<SecretString, ProofError> {
        let claims = serde_json::to_vec(claims).map_err(|_| ProofError::Key("claims"))?;
        let signed = format!("{}.{}", self.head, URL_SAFE_NO_PAD.encode(claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| ProofError::Key("key"))?;
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        Ok(format!("{PROOF_SCHEME} {signed}.{signature}").into())
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofKey").finish_non_exhaustive()
    }
}

/// A proof that was sent. Nothing of it is believed before its chain and its signature were verified.
#[derive(Debug)]
pub struct Proof {
    /// The certificate of the signer, then those above it.
    pub chain: Vec<CertificateDer<'static>>,
    /// What is signed.
    pub claims: ProofClaims,
    signed: String,
    signature: Vec<u8>,
}

impl Proof {
    /// Takes the value of an `Authorization` header apart; `None` where it has another scheme.
    ///
    /// # Errors
    /// [`ProofError::Form`].
    pub fn parse(header: &str) -> Option<Result<Self, ProofError>> {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case(PROOF_SCHEME).then(|| Self::of_token(token.trim()))
    }

    fn of_token(token: &str) -> Result<Self, ProofError> {
        if token.len() > MAX {
            return Err(ProofError::Form("it is too long"));
        }
        let mut parts = token.split('.');
        let (Some(head), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ProofError::Form("it has not three parts"));
        };
        let decode = |part: &str| {
            URL_SAFE_NO_PAD.decode(part).map_err(|_| ProofError::Form("it is not base64url"))
        };
        let not_json = |_| ProofError::Form("it is not the JSON that is expected");
        let parsed: Head = serde_json::from_slice(&decode(head)?).map_err(not_json)?;
        if parsed.alg != ALGORITHM || parsed.typ != TYPE {
            return Err(ProofError::Form("it has another type or algorithm"));
        }
        let chain = parsed
            .x5c
            .iter()
            .map(|der| STANDARD.decode(der).map(CertificateDer::from))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| ProofError::Form("a certificate is not base64"))?;
        if chain.is_empty() {
            return Err(ProofError::Form("it has no certificate"));
        }
        Ok(Self {
            chain,
            claims: serde_json::from_slice(&decode(claims)?).map_err(not_json)?,
            signed: format!("{head}.{claims}"),
            signature: decode(signature)?,
        })
    }

    /// Verifies the signature with the public key of the certificate, an uncompressed point of P-256.
    ///
    /// # Errors
    /// [`ProofError::Signature`].
    pub fn verify(&self, public_key: &[u8]) -> Result<(), ProofError> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key)
            .verify(self.signed.as_bytes(), &self.signature)
            .map_err(|_| ProofError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};

    use super::*;

    fn identity() -> (KeyPair, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        (key, certificate.pem())
    }

    fn claims(nonce: &str) -> ProofClaims {
        ProofClaims::new(nonce, &http::Method::POST, "https://s/agent/bootstrap", b"{}")
    }

    #[test]
    fn a_signature_is_of_one_key_over_one_request() {
        let (key, certificate) = identity();
        let signer = ProofKey::from_pem(&key.serialize_pem().into(), &certificate).unwrap();
        let header = signer.sign(&claims("n")).unwrap();
        let proof = Proof::parse(header.expose_secret()).unwrap().unwrap();
        assert_eq!(proof.claims, claims("n"));
        proof.verify(key.der_bytes()).unwrap();
        let (other, _) = identity();
        assert_eq!(proof.verify(other.der_bytes()), Err(ProofError::Signature));

        let parts: Vec<&str> = header.expose_secret().split(['.', ' ']).collect();
        let changed = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims("m")).unwrap());
        let forged = format!("AgentProof {}.{changed}.{}", parts[1], parts[3]);
        let forged = Proof::parse(&forged).unwrap().unwrap();
        assert_eq!(forged.verify(key.der_bytes()), Err(ProofError::Signature));
    }

    #[test]
    fn other_schemes_are_left_alone_and_other_algorithms_refused() {
        assert!(Proof::parse("Bearer x").is_none());
        assert!(Proof::parse("AgentProof").is_none());
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for head in [
            r#"{"typ":"agent-proof+jwt","alg":"none","x5c":["AA=="]}"#,
            r#"{"typ":"JWT","alg":"ES256","x5c":["AA=="]}"#,
            r#"{"typ":"agent-proof+jwt","alg":"ES256","x5c":[]}"#,
            r#"{"typ":"agent-proof+jwt","alg":"ES256","x5c":["?"]}"#,
            "[]",
        ] {
            let claims = serde_json::to_string(&claims("n")).unwrap();
            let token = format!("AgentProof {}.{}.", part(head), part(&claims));
            assert!(Proof::parse(&token).unwrap().is_err(), "{head}");
        }
        for token in ["", ".", "..", "...", "a.b.c", &"x".repeat(MAX + 1)] {
            assert!(Proof::parse(&format!("agentproof {token}")).unwrap().is_err());
        }
    }
}

//! Signatures of JSON Web Tokens (RFC 7518, sections 3.3 to 3.5; RFC 8037, section 3.1), checked by `ring`,
//! which TLS uses already. Tokens are only checked here: no key that signs is ever held.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error, Verifier},
};
use ring::signature::{
    self as algorithms, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(PublicKey::new(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes these the process's signatures of JSON Web Tokens. The first caller decides for the process.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

/// A key with the one algorithm that a token names.
struct PublicKey {
    algorithm: Algorithm,
    method: Method,
    key: DecodingKey,
}

/// How a signature is checked: RSA takes a key by its two numbers, the curves by their bytes.
enum Method {
    Rsa(&'static algorithms::RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

impl Method {
    /// # Errors
    /// The algorithm is unknown, or of shared secrets: who can check such a token can make one.
    fn of(algorithm: Algorithm) -> Result<Self> {
        Ok(match algorithm {
            Algorithm::RS256 => Self::Rsa(&algorithms::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Self::Rsa(&algorithms::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Self::Rsa(&algorithms::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Self::Rsa(&algorithms::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Self::Rsa(&algorithms::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Self::Rsa(&algorithms::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => Self::Curve(&algorithms::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Self::Curve(&algorithms::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Self::Curve(&algorithms::ED25519),
            // Shared secrets, and algorithms that a later version knows.
            _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
        })
    }

    fn family(&self, algorithm: Algorithm) -> AlgorithmFamily {
        match (self, algorithm) {
            (Self::Rsa(_), _) => AlgorithmFamily::Rsa,
            (Self::Curve(_), Algorithm::EdDSA) => AlgorithmFamily::Ed,
            (Self::Curve(_), _) => AlgorithmFamily::Ec,
        }
    }
}

impl PublicKey {
    /// # Errors
    /// The key is of another family than `algorithm`.
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self> {
        let method = Method::of(algorithm)?;
        if key.family() != method.family(algorithm) {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        Ok(Self {
            algorithm,
            method,
            key: key.clone(),
        })
    }
}

impl JwtVerifier for PublicKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for PublicKey {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let checked = match (&self.method, self.key.kind()) {
            (Method::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                let (n, e) = (without_zeros(n), without_zeros(e));
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Method::Curve(curve), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(*curve, point).verify(message, signature)
            }
            (Method::Rsa(_), DecodingKeyKind::SecretOrDer(_))
            | (Method::Curve(_), DecodingKeyKind::RsaModulusExponent { .. }) => {
                return Err(Error::new());
            }
        };
        checked.map_err(|_| Error::new())
    }
}

/// A number's bytes as `ring` wants them. Some issuers write a zero before the modulus.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests;

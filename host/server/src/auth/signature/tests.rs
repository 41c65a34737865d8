use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto::verify, jwk::Jwk};
use ring::{
    rand::SystemRandom,
    signature::{EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use super::install;

/// A header and claims as they are signed.
const MESSAGE: &[u8] = b"eyJhbGciOiJ0ZXN0In0.eyJzdWIiOiJhIn0";

/// An RSA modulus of 2048 bits, made for this test by `openssl genrsa`.
const MODULUS: &str = "iCFWe5dpBctZb8VXUyhVf4m-OVMye--pw3eqRjBBRvfmG1U9Vdn8UTS9L087Q6cTpr5exJnWP8PeHE398k4u4ApGOcD3qv3s42HLLfwSp1xLTzL6cchPl2kvhPI44S7GBZkxs2b8asNVzME0OkbnHxgQ6kG0TFGy0QZlTSjM7FURuEq4Hu6CSHd7rlPVigwtZiaIAcklS5NFeAwXrtyqMCB8gwGXiSiDm5scjMBXfSonkPY1NTiNJjexgtEjPHmI95j9tgNvh5dSnpsyVD3846SuXsHOdP4A6h5b6WaUgWXDonq46Bip9_CvWK406IurPdcwWCzWHjnT03-3C_6F1Q";

/// Signatures of `MESSAGE` with its key by `openssl dgst -sign`, with a salt of the digest's length for PSS.
const RSA: &[(Algorithm, &str)] = &[
    (
        Algorithm::RS256,
        "ZSCPxF0dEkSMsaUp95UajwZVDsxueSeneICGcCLV1I9Kt4P2ikGFNg_cCCvcJ_803thywVxBlqnWV2EcrxbP5EkeNvxIwfsvaOj56I0eJYqSftkpalbTyiizorrFaRouA6cc6P6aIxwikrbBTwUAL90KoHvrdW3-rFdk_CTxOQ4pJEtn2zvV4mCaRgO0215qxHqW7NPCgZp28_mHW4aKyJ_SSXKrC9CMnkL3PKejBiCT1xt3YA1Yd4pDDl63d0McuSb8pVaYJwBnK7SCoefSP20wHQEPqTGXwdeValH6yT0NAo-MRkcEjs6rWqKi9RN-uUWP3n2VQGeR4vcg1XNA4w",
    ),
    (
        Algorithm::RS384,
        "ebERVqVIGb4o_OyVCwOSJMBZhOopg6lBKfGmIQ-J4MTrYfNBwp4trYlPWDVg4R3H7pCkHYDcqTWm0Eel17CMUpWEYqnsrl-iSMwv9WI72k02pkj3OOKBKTg3fLgzhz1u6W_Xxs_xykpUhVu7kMn6TyuiQfG1b3SWydKMsZEE5S-Yy_6zTwJjR1YK8nWioenzgD-_yfNuxRg6L2NaiZv0NSZ1sMgc8fC4K_L1Fq9-QtfX5UxEdGDGkMjVCBVIit0jqvmBmzzFM31f_nCdoOHBxfIwsLpbIpGxkG9NFPFBSH1WlvXurVJuEP9bV_XfvKQ9DwCOx8u23_K90O4Np9pkpQ",
    ),
    (
        Algorithm::RS512,
        "F9dLDhmM2yp1ODkG5HL3HM4Fz55uUHdg6RxxJ68toZaJyvFbx_gEV00anV4DOnbgsFaBStwkCIcC5L348eqSvcEU0xbr5T3GnHCeuAf3NKeF4gRKte8lzphImIzq58_rtUXFAkR7hg8aZFAuzjItd9FB-oeZpRdL_QZK94z4Mt88TtkPKOVXzDGm80oaoEzwwa9I3JzYygfmOWrqzuP9FsvTK7iQo1RU5o-5vAiOoVah70WXeTBaF9UgpfTS4O8LqmBi7_Y3PNSq8InB-4Ihhv1XT23zFdrExFJRHbGAXtgOjOe8y9sOLSPMV7TztpE0OJlB6xsq48qLUflyPBE6vA",
    ),
    (
        Algorithm::PS256,
        "HNda5BerryeU2N417Fy0JR2w3MZDmipXwpw3z_JkyphKcrTAWvj6BGurFeTrAsmnHppwDR8F4sNTn6l8xkyOVG9jPX-XtHqrFwgz5ntjXxjfb4sCiJvuwy-6AhkSi2kejVr6QREtSLfssh-kxPKC4H6zFePHT-vL5v_NSwzvS2upz4StHDCKpDJq9OjNdXLf8rQ_vLqeR4WsbCj8E8K_jjPuupevass0zQON-b51JV7nexMy6SeLxuPUmiAhMxn6HWJPhBMQ9Yihk6A2ySrxohfr6C0XBnYZqPJwAJwOglDDp8qfBZgphsR7muMdb3iga7xHKeWlg_ra_HCd8EbBTA",
    ),
    (
        Algorithm::PS384,
        "N3r2JSWBNYhClvRtYtGh167vAGkzO6YS6B6ClIMWDjs86KN-Q2QKDNaiElF5jfzqRFkjCUgTjYLMP2yx0gCONgyxHOoKlPEMDZJEGglz9x0R_cLnQO4eedfRR1_s0yNHPWw-yzLUd43a1LP76FWiOyF8BrcUvA4-dPuUqByhxT2tYQJPq-iRygaAnyQPI9qFB4pShgt3fd-WtP2EQ87nyJ9YJDKNR0YX4G1DsrpCTiuQHl3_XVM5M5uf0gG9A-kLIfDRdhikibBXkGqllNXwoKSkbjag2LPgQprDxY4MloDq-yJVeZnSoITOUvn9YbRoQvhLyfN503vRsR60t7TT8Q",
    ),
    (
        Algorithm::PS512,
        "hRPIBclpCd9qbqpN1-84xa6ObsJ-14SGrjeW_2MBO5IZ4yRTJU4rfAtoRWoJML7HSBvh8wS8R2iGQnV9IKbfEMrNyMBGmVUyZSJ4c7byzZyGY_8jxB7EY_uM4VGBSWio7psan2CBBjLXin8FVzsD_w0iUPVndd-ERoGM8M50sUkAM3NJI9SIinhDeuebR4lY37u-nysnUCC-KcQ-MZdxv2u9sPxZXUC8a4O0lAgNwBV7XvIolI_DARn7oOx1O5Tz0GcDl25xLoBxzD7JAWhjqgwNfRfNz0oh0OhBzHTqrGSYXyhVD8GmcZAyONz8xkU6n-ETk37CUpkCECIhGTntAQ",
    ),
];

fn rsa(modulus: &str) -> Value {
    json!({ "kty": "RSA", "n": modulus, "e": "AQAB" })
}

fn is_valid(jwk: &Value, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
    install();
    let jwk: Jwk = serde_json::from_value(jwk.clone()).unwrap();
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    verify(signature, message, &key, algorithm).unwrap_or(false)
}

/// A key of a curve, and its signature of `MESSAGE`.
fn elliptic(curve: &str, algorithm: &'static EcdsaSigningAlgorithm) -> (Value, String) {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let signature = pair.sign(&random, MESSAGE).unwrap();
    let jwk = json!({ "kty": "EC", "crv": curve, "x": x, "y": y });
    (jwk, URL_SAFE_NO_PAD.encode(signature))
}

fn edwards() -> (Value, String) {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    (jwk, URL_SAFE_NO_PAD.encode(pair.sign(MESSAGE)))
}

/// Each algorithm that is accepted, with a key and its signature of `MESSAGE`.
fn signed() -> Vec<(Algorithm, Value, String)> {
    let rsa = RSA
        .iter()
        .map(|(algorithm, signature)| (*algorithm, rsa(MODULUS), (*signature).to_owned()));
    let mut all: Vec<_> = rsa.collect();
    for (name, curve, signing, algorithm) in [
        (
            "ES256",
            "P-256",
            &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            Algorithm::ES256,
        ),
        (
            "ES384",
            "P-384",
            &ring::signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            Algorithm::ES384,
        ),
    ] {
        let (jwk, signature) = elliptic(curve, signing);
        assert_eq!(format!("{algorithm:?}"), name);
        all.push((algorithm, jwk, signature));
    }
    let (jwk, signature) = edwards();
    all.push((Algorithm::EdDSA, jwk, signature));
    all
}

#[test]
fn a_signature_is_valid_for_its_own_message_key_and_algorithm_alone() {
    let all = signed();
    for (algorithm, jwk, signature) in &all {
        assert!(
            is_valid(jwk, *algorithm, MESSAGE, signature),
            "{algorithm:?}"
        );
        assert!(
            !is_valid(jwk, *algorithm, b"another message", signature),
            "{algorithm:?}"
        );
        assert!(!is_valid(jwk, *algorithm, MESSAGE, ""), "{algorithm:?}");
        for (other, key, _) in all.iter().filter(|(other, ..)| other != algorithm) {
            assert!(
                !is_valid(jwk, *other, MESSAGE, signature),
                "{algorithm:?} as {other:?}"
            );
            assert!(
                key == jwk || !is_valid(key, *algorithm, MESSAGE, signature),
                "{algorithm:?} by the key of {other:?}"
            );
        }
        for shared in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            assert!(!is_valid(jwk, shared, MESSAGE, signature));
        }
    }
}

#[test]
fn a_zero_before_the_modulus_does_not_matter() {
    let mut bytes = URL_SAFE_NO_PAD.decode(MODULUS).unwrap();
    bytes.insert(0, 0);
    let (algorithm, signature) = RSA[0];
    assert!(is_valid(
        &rsa(&URL_SAFE_NO_PAD.encode(bytes)),
        algorithm,
        MESSAGE,
        signature
    ));
}

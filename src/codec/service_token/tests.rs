//! Tokens that break exactly one rule, by keys of both curves.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use multibase::Base;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use secp256k1::{Message, SecretKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{AHEAD_SECONDS_MAX, LEEWAY_SECONDS, ON_THE_WAY_SECONDS, ServiceToken, TokenFault};
use crate::codec::key::PublicKey;
use crate::syntax::Did;

/// The order of secp256k1 and of P-256: the second half of a signature and its difference to this count alike.
const K256_ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

const NOW: u64 = 1_800_000_000;
const ADA: &str = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const SERVICE: &str = "did:web:guestlist.example";
const METHOD: &str = "rsvp.atmo.space.whoami";

/// A key that signs.
pub(crate) enum Signer {
    K256(SecretKey),
    P256(p256::ecdsa::SigningKey),
}

impl Signer {
    pub(crate) fn k256(number: u8) -> Self {
        Signer::K256(SecretKey::from_secret_bytes([number; 32]).unwrap())
    }

    pub(crate) fn p256(number: u8) -> Self {
        Signer::P256(p256::ecdsa::SigningKey::from_slice(&[number; 32]).unwrap())
    }

    pub(crate) fn alg(&self) -> &'static str {
        match self {
            Signer::K256(_) => "ES256K",
            Signer::P256(_) => "ES256",
        }
    }

    pub(crate) fn multikey(&self) -> String {
        let bytes = match self {
            Signer::K256(key) => {
                [&[0xe7, 0x01], &secp256k1::PublicKey::from_secret_key(key).serialize()[..]].concat()
            }
            Signer::P256(key) => [&[0x80, 0x24], key.verifying_key().to_sec1_point(true).as_bytes()].concat(),
        };
        multibase::encode(Base::Base58Btc, bytes)
    }

    fn public(&self) -> PublicKey {
        PublicKey::parse_multikey(&self.multikey()).unwrap()
    }

    fn sign(&self, signed: &str) -> Vec<u8> {
        let digest: [u8; 32] = Sha256::digest(signed).into();
        match self {
            Signer::K256(key) => {
                secp256k1::ecdsa::sign(Message::from_digest(digest), key).serialize_compact().into()
            }
            Signer::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
                signature.normalize_s().to_bytes().to_vec()
            }
        }
    }

    /// The compact form of a header and claims, as they stand.
    pub(crate) fn token_of(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.sign(&signed);
        format!("{signed}.{}", encode(signature))
    }

    /// A token of the usual header.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_of(&json!({ "typ": "JWT", "alg": self.alg() }).to_string(), &claims.to_string())
    }

    /// The same token with the other form of its signature.
    pub(crate) fn twin(&self, token: &str) -> String {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let order = match self {
            Signer::K256(_) => K256_ORDER,
            Signer::P256(_) => P256_ORDER,
        };
        let mut borrow = 0;
        for at in (0..32).rev() {
            let byte = i16::from(u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap());
            let difference = byte - i16::from(signature[32 + at]) - borrow;
            borrow = i16::from(difference < 0);
            signature[32 + at] = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        format!("{signed}.{}", encode(signature))
    }
}

fn encode(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

fn signers() -> [Signer; 2] {
    [Signer::k256(1), Signer::p256(1)]
}

/// What is right.
fn claims() -> Value {
    json!({ "iss": ADA, "aud": SERVICE, "lxm": METHOD, "iat": NOW, "exp": NOW + 60, "jti": "one" })
}

/// What is right but for one claim; `null` takes it away.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// What comes of a token in the end.
fn judged(token: &str, signer: &Signer) -> Result<(), TokenFault> {
    let token = ServiceToken::parse(token)?;
    token.check(NOW, &Did::parse(SERVICE).unwrap(), METHOD)?;
    if token.is_signed_by(&signer.public()) { Ok(()) } else { Err(TokenFault::Signature) }
}

#[test]
fn what_is_right_is_accepted_in_all_its_forms() {
    for signer in signers() {
        for claims in [
            claims(),
            with("aud", json!(format!("{SERVICE}#guestlist"))),
            with("iss", json!(format!("{ADA}#atproto_labeler"))),
            with("iat", Value::Null),
            with("iat", json!(NOW + LEEWAY_SECONDS)),
            with("exp", json!(NOW - LEEWAY_SECONDS + 1)),
            with("exp", json!(NOW + AHEAD_SECONDS_MAX + LEEWAY_SECONDS)),
            with("jti", json!("x".repeat(512))),
            with("nonce", json!({ "whatever": [1.5, null, "else"] })),
        ] {
            assert_eq!(judged(&signer.token(&claims), &signer), Ok(()), "{claims}");
        }
        for (name, value) in [
            ("typ", json!("jwt")),
            ("typ", json!("something+else")),
            ("kid", json!("#atproto")),
            ("kid", json!(format!("{ADA}#atproto"))),
            ("unknown", json!([[[{}]]])),
        ] {
            let header = json!({ "alg": signer.alg(), name: value });
            let token = signer.token_of(&header.to_string(), &claims().to_string());
            assert_eq!(judged(&token, &signer), Ok(()), "{header}");
        }
    }
}

#[test]
fn a_claim_that_is_wrong_is_the_only_thing_that_is_said() {
    let long = "x".repeat(513);
    let cases = [
        ("iss", Value::Null, TokenFault::Claims),
        ("iss", json!(7), TokenFault::Claims),
        ("iss", json!("ada.example"), TokenFault::Issuer),
        ("iss", json!(""), TokenFault::Issuer),
        ("iss", json!("#atproto"), TokenFault::Issuer),
        ("iss", json!(format!(" {ADA}")), TokenFault::Issuer),
        ("aud", Value::Null, TokenFault::Claims),
        ("aud", json!([SERVICE]), TokenFault::Claims),
        ("aud", json!(""), TokenFault::Audience),
        ("aud", json!("did:web:guestlist.exampl"), TokenFault::Audience),
        ("aud", json!("did:web:guestlist.example.com"), TokenFault::Audience),
        ("aud", json!("did:web:Guestlist.example"), TokenFault::Audience),
        ("aud", json!(format!("{SERVICE}#")), TokenFault::Audience),
        ("aud", json!(format!("{SERVICE}#guestlist2")), TokenFault::Audience),
        ("aud", json!(format!("{SERVICE}#bsky_appview")), TokenFault::Audience),
        ("aud", json!(format!("{SERVICE}#guestlist#guestlist")), TokenFault::Audience),
        ("aud", json!("https://guestlist.example"), TokenFault::Audience),
        ("aud", json!(ADA), TokenFault::Audience),
        ("lxm", Value::Null, TokenFault::Method),
        ("lxm", json!("*"), TokenFault::Method),
        ("lxm", json!("rsvp.atmo.space.whoami2"), TokenFault::Method),
        ("lxm", json!("rsvp.atmo.space.whoAmI"), TokenFault::Method),
        ("lxm", json!("rsvp.atmo.space.leaveSpace"), TokenFault::Method),
        ("lxm", json!([METHOD]), TokenFault::Claims),
        ("exp", Value::Null, TokenFault::Claims),
        ("exp", json!((NOW + 60).to_string()), TokenFault::Claims),
        ("exp", json!(1.8e9), TokenFault::Claims),
        ("exp", json!(-1), TokenFault::Claims),
        ("exp", json!(1e30), TokenFault::Claims),
        ("exp", json!(u64::MAX), TokenFault::TooFarAhead),
        ("exp", json!((NOW + 60) * 1_000), TokenFault::TooFarAhead),
        ("exp", json!(NOW + AHEAD_SECONDS_MAX + LEEWAY_SECONDS + 1), TokenFault::TooFarAhead),
        ("exp", json!(NOW - LEEWAY_SECONDS), TokenFault::Expired),
        ("exp", json!(0), TokenFault::Expired),
        ("iat", json!(NOW + LEEWAY_SECONDS + 1), TokenFault::IssuedAhead),
        ("iat", json!(u64::MAX), TokenFault::IssuedAhead),
        ("iat", json!(NOW.to_string()), TokenFault::Claims),
        ("iat", json!(-1), TokenFault::Claims),
        ("jti", Value::Null, TokenFault::Id),
        ("jti", json!(""), TokenFault::Id),
        ("jti", json!(long), TokenFault::Id),
        ("jti", json!(7), TokenFault::Claims),
    ];
    for signer in signers() {
        for (name, value, fault) in &cases {
            let token = signer.token(&with(name, value.clone()));
            assert_eq!(judged(&token, &signer), Err(*fault), "{name} = {value}");
        }
        // What JSON has and `serde_json::Value` does not write.
        for (from, to) in [
            ("\"exp\":1800000060", "\"exp\":1800000060.0"),
            ("\"exp\":1800000060", "\"exp\":18000000600000000000000000000"),
            ("\"exp\":1800000060", "\"exp\":-0"),
            ("\"exp\":1800000060", "\"exp\":1800000060,\"exp\":1800000060"),
            ("\"iat\":1800000000", "\"iat\":null"),
            ("\"jti\":\"one\"", "\"jti\":null"),
            ("\"lxm\":", "\"lxm\":null,\"lxm2\":"),
        ] {
            let text = claims().to_string();
            assert!(text.contains(from), "{text}");
            let header = json!({ "alg": signer.alg() }).to_string();
            let token = signer.token_of(&header, &text.replace(from, to));
            assert_eq!(judged(&token, &signer), Err(TokenFault::Claims), "{to}");
        }
    }
}

#[test]
fn a_header_that_is_wrong_is_the_only_thing_that_is_said() {
    let other = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb#atproto";
    for signer in signers() {
        let alg = signer.alg();
        for (header, fault) in [
            (json!({ "typ": "JWT" }), TokenFault::Claims),
            (json!({ "alg": 7 }), TokenFault::Claims),
            (json!({ "alg": "none" }), TokenFault::Algorithm),
            (json!({ "alg": "None" }), TokenFault::Algorithm),
            (json!({ "alg": "" }), TokenFault::Algorithm),
            (json!({ "alg": "HS256" }), TokenFault::Algorithm),
            (json!({ "alg": "RS256" }), TokenFault::Algorithm),
            (json!({ "alg": "EdDSA" }), TokenFault::Algorithm),
            (json!({ "alg": "es256" }), TokenFault::Algorithm),
            (json!({ "alg": alg, "typ": "at+jwt" }), TokenFault::Type),
            (json!({ "alg": alg, "typ": "AT+JWT" }), TokenFault::Type),
            (json!({ "alg": alg, "typ": "application/at+jwt" }), TokenFault::Type),
            (json!({ "alg": alg, "typ": "refresh+jwt" }), TokenFault::Type),
            (json!({ "alg": alg, "typ": "dpop+jwt" }), TokenFault::Type),
            (json!({ "alg": alg, "typ": null }), TokenFault::Claims),
            (json!({ "alg": alg, "typ": ["JWT"] }), TokenFault::Claims),
            (json!({ "alg": alg, "kid": "#atproto_label" }), TokenFault::KeyName),
            (json!({ "alg": alg, "kid": "atproto" }), TokenFault::KeyName),
            (json!({ "alg": alg, "kid": "" }), TokenFault::KeyName),
            (json!({ "alg": alg, "kid": other }), TokenFault::KeyName),
            (json!({ "alg": alg, "kid": null }), TokenFault::Claims),
            (json!({ "alg": alg, "crit": ["b64"], "b64": false }), TokenFault::Critical),
            (json!({ "alg": alg, "crit": null }), TokenFault::Critical),
        ] {
            let token = signer.token_of(&header.to_string(), &claims().to_string());
            assert_eq!(judged(&token, &signer), Err(fault), "{header}");
        }
    }
    // Right in itself, by a key of the other curve.
    for (signer, alg) in [(Signer::k256(1), "ES256"), (Signer::p256(1), "ES256K")] {
        let token = signer.token_of(&json!({ "alg": alg }).to_string(), &claims().to_string());
        assert_eq!(judged(&token, &signer), Err(TokenFault::Signature), "{alg}");
    }
}

#[test]
fn a_form_that_is_wrong_is_the_only_thing_that_is_said() {
    for signer in signers() {
        let header = json!({ "alg": signer.alg() }).to_string();
        for not_an_object in ["", "null", "7", "\"x\"", "[]", "{", "{}x", "\u{feff}{}"] {
            let token = signer.token_of(not_an_object, &claims().to_string());
            assert_eq!(judged(&token, &signer), Err(TokenFault::Claims), "{not_an_object}");
            let token = signer.token_of(&header, not_an_object);
            assert_eq!(judged(&token, &signer), Err(TokenFault::Claims), "{not_an_object}");
        }
        // The same values without their names.
        let token = signer.token_of(&format!("[\"{}\"]", signer.alg()), &claims().to_string());
        assert_eq!(judged(&token, &signer), Err(TokenFault::Claims));
        let deep = format!("{{\"x\":{}", "[".repeat(4_000));
        let token = signer.token_of(&header, &deep);
        assert_eq!(judged(&token, &signer), Err(TokenFault::Claims));

        let token = signer.token(&claims());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        for wrong in [
            String::new(),
            "..".to_owned(),
            "a".to_owned(),
            signed.to_owned(),
            format!("{signed}."),
            format!("{token}."),
            format!("{token}=="),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{token}.{signature}"),
            format!("{signed}.{}", &signature[..80]),
            format!("{signed}.{}AAAA", &signature[..84]),
            format!("{signed}.+{}", &signature[1..]),
        ] {
            assert!(
                matches!(judged(&wrong, &signer), Err(TokenFault::Form | TokenFault::Claims)),
                "{wrong:?}"
            );
        }
    }
}

#[test]
fn a_text_over_the_limit_is_not_looked_at() {
    for signer in signers() {
        let pad = |length: usize| signer.token(&with("pad", json!("x".repeat(length))));
        let base = pad(0).len();
        let longest = (0..7_000).rev().map(pad).find(|token| token.len() <= 8_192).unwrap();
        assert!(longest.len() > 8_188 && base < 600, "{} {base}", longest.len());
        assert_eq!(judged(&longest, &signer), Ok(()));
        assert_eq!(judged(&"a.".repeat(4_097), &signer), Err(TokenFault::TooLong));
    }
}

#[test]
fn another_signature_than_that_of_the_account_does_not_count() {
    for (signer, other) in [(Signer::k256(1), Signer::k256(2)), (Signer::p256(1), Signer::p256(2))] {
        assert_eq!(judged(&other.token(&claims()), &signer), Err(TokenFault::Signature));
        let token = signer.token(&claims());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for broken in [vec![0; 64], vec![0xff; 64], [&bytes[..32], &[0; 32]].concat(), {
            let mut bytes = bytes.clone();
            bytes[63] ^= 1;
            bytes
        }] {
            let token = format!("{signed}.{}", encode(broken));
            assert_eq!(judged(&token, &signer), Err(TokenFault::Signature));
        }
        // Every claim is signed.
        let (header, _) = signed.split_once('.').unwrap();
        let forged = format!("{header}.{}.{signature}", encode(with("jti", json!("two")).to_string()));
        assert_eq!(judged(&forged, &signer), Err(TokenFault::Signature));
    }
}

#[test]
fn no_character_of_a_token_can_be_another() {
    for signer in signers() {
        let token = signer.token(&claims());
        for at in 0..token.len() {
            for other in ["A", "B", "_", ".", " ", "\u{e9}"] {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                assert!(changed == token || judged(&changed, &signer).is_err(), "{at} {other}");
            }
        }
    }
}

#[test]
fn both_forms_of_a_signature_count_and_are_one_token_while_commits_have_one_form() {
    for signer in signers() {
        let token = signer.token(&claims());
        let twin = signer.twin(&token);
        assert_ne!(token, twin);
        assert_eq!((judged(&token, &signer), judged(&twin, &signer)), (Ok(()), Ok(())));
        let [low, high] = [&token, &twin].map(|token| ServiceToken::parse(token).unwrap());
        assert_eq!(low.nonce(), high.nonce());
        let key = signer.public();
        assert!(key.verifies_digest(&low.digest, &low.signature));
        assert!(!key.verifies_digest(&high.digest, &high.signature));
    }
}

#[test]
fn a_token_is_known_again_by_issuer_and_id_for_as_long_as_it_counts() {
    let signer = Signer::k256(1);
    let nonce = |claims: &Value| ServiceToken::parse(&signer.token(claims)).unwrap().nonce();
    let one = nonce(&claims());
    assert_eq!(one.expires, NOW + 60 + LEEWAY_SECONDS + ON_THE_WAY_SECONDS);
    let mut hash = Sha256::new_with_prefix(ADA);
    hash.update(b"\0one");
    assert_eq!(one.hash, <[u8; 32]>::from(hash.finalize()));
    // Whatever else differs.
    for (name, value) in [
        ("exp", json!(NOW + 90)),
        ("lxm", json!("a.b.c")),
        ("iss", json!(format!("{ADA}#x"))),
        ("iat", Value::Null),
    ] {
        assert_eq!(nonce(&with(name, value)).hash, one.hash, "{name}");
    }
    for (name, value) in [
        ("jti", json!("two")),
        ("jti", json!("\u{0}one")),
        ("iss", json!("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb")),
    ] {
        assert_ne!(nonce(&with(name, value)).hash, one.hash, "{name}");
    }
    assert_eq!(nonce(&with("exp", json!(u64::MAX))).expires, u64::MAX);
}

#[test]
fn nothing_of_a_token_is_in_what_is_said_of_it() {
    let token = Signer::k256(1).token(&claims());
    let shown = format!("{:?}", ServiceToken::parse(&token).unwrap());
    assert_eq!(shown, "ServiceToken { .. }");
    let mut said = String::new();
    for token in [token.replace('.', "!"), Signer::k256(1).token(&with("iss", json!("secret")))] {
        let fault = ServiceToken::parse(&token).unwrap_err();
        write!(said, "{fault} {fault:?} {} ", fault.name()).unwrap();
    }
    assert!(!said.contains("secret") && !said.contains(&token[..8]), "{said}");
}

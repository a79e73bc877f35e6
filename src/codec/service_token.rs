//! Service tokens: what an account's host signs so that a service knows who calls.
//!
//! Reading shows that a token hangs together, and [`ServiceToken::check`] that it is for this service, this method and
//! now. That the account signed it takes its key, which is not in the token: `identity` knows it. Both run before
//! anything is asked of the network, since anybody can write a token. A token is a secret for as long as it counts, so
//! no part of one is in any error or in what `Debug` shows. Spec: CONTRACT §4.3, PROTOCOL §11.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use super::key::{Curve, PublicKey};
use super::limits::{SERVICE_TOKEN_BYTES_MAX, SERVICE_TOKEN_ID_BYTES_MAX};
use crate::syntax::Did;

/// Bytes of a signature: its two halves, 32 each.
const SIGNATURE_BYTES: usize = 64;

/// Seconds that the clock of whoever made a token may differ from ours.
pub const LEEWAY_SECONDS: u64 = 5;

/// Seconds that a token may count from now on. Hosts give them for one; who wants one for an hour may lose it.
pub const AHEAD_SECONDS_MAX: u64 = 5 * 60;

/// Seconds for which a token that was used is remembered after it counts no more: it was checked a moment before it is
/// written down as used, while a key was looked up and others were written down.
pub const ON_THE_WAY_SECONDS: u64 = 60;

/// The key that signs, as documents and tokens name it.
const SIGNING_KEY: &str = "#atproto";

/// This service, as a part of its DID that a token may name.
pub const SERVICE_FRAGMENT: &str = "#guestlist";

/// The types of other tokens, which a service must not take for its own, in lowercase.
const OTHER_TYPES: [&str; 3] = ["at+jwt", "refresh+jwt", "dpop+jwt"];

/// What a type may begin with and mean the same (RFC 7515 §4.1.9).
const TYPE_PREFIX: &str = "application/";

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is over the limit, and was not looked at.
    #[error("the token is longer than 8192 bytes")]
    TooLong,
    /// It has not three parts of base64url, or its signature another length.
    #[error("the token is not three parts of base64url, the last of 64 bytes")]
    Form,
    /// A part is no JSON object, lacks a claim, has one twice or of another type.
    #[error("the token's header or claims are not the JSON that they must be")]
    Claims,
    /// Neither of the two algorithms.
    #[error("the token's alg must be ES256 or ES256K")]
    Algorithm,
    /// It says that something must be understood which nobody here knows.
    #[error("the token has a critical extension")]
    Critical,
    /// Another kind of token.
    #[error("a token of this typ is no service token")]
    Type,
    /// It is signed by a key that is for something else.
    #[error("the token's kid must be #atproto")]
    KeyName,
    /// Nobody's.
    #[error("the token's iss must be a DID")]
    Issuer,
    /// Without what it is known again by, or with too long a one.
    #[error("the token's jti must have 1 to 512 bytes")]
    Id,
    /// It counts no more.
    #[error("the token has expired")]
    Expired,
    /// It would count for too long.
    #[error("the token's exp must be at most 5 minutes ahead")]
    TooFarAhead,
    /// It comes from the future.
    #[error("the token's iat lies in the future")]
    IssuedAhead,
    /// It is for somebody else.
    #[error("the token's aud must be the DID of this service")]
    Audience,
    /// It is for something else, or for anything.
    #[error("the token's lxm must be the method that is called")]
    Method,
    /// Nobody is there.
    #[error("the token's iss is no account that can be resolved")]
    UnknownIssuer,
    /// The account cannot sign.
    #[error("the token's iss has no signing key")]
    NoKey,
    /// No key of now made it.
    #[error("the token is not signed by the present key of its iss")]
    Signature,
    /// It counts once.
    #[error("the token was used before")]
    Replayed,
}

impl TokenFault {
    /// What the reference implementation calls it.
    pub fn name(self) -> &'static str {
        match self {
            TokenFault::TooLong
            | TokenFault::Form
            | TokenFault::Claims
            | TokenFault::Algorithm
            | TokenFault::Critical
            | TokenFault::KeyName
            | TokenFault::Id
            | TokenFault::TooFarAhead
            | TokenFault::IssuedAhead
            | TokenFault::Replayed => "BadJwt",
            TokenFault::Type => "BadJwtType",
            TokenFault::Issuer | TokenFault::UnknownIssuer | TokenFault::NoKey => "BadJwtIss",
            TokenFault::Expired => "JwtExpired",
            TokenFault::Audience => "BadJwtAudience",
            TokenFault::Method => "BadJwtLexiconMethod",
            TokenFault::Signature => "BadJwtSignature",
        }
    }
}

/// By what a used token is remembered, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenNonce {
    /// The SHA-256 of issuer, NUL and `jti`. Not of the signature, of which there are two forms.
    pub hash: [u8; 32],
    /// Until when it must not count again, in seconds since the epoch: `exp` with its leeway, and [`ON_THE_WAY_SECONDS`].
    pub expires: u64,
}

/// A service token, read and not proved.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceToken {
    issuer: Did,
    curve: Curve,
    audience: Box<str>,
    method: Option<Box<str>>,
    /// Seconds since the epoch, like the next.
    expires: u64,
    issued: Option<u64>,
    id: Box<str>,
    digest: [u8; 32],
    signature: [u8; SIGNATURE_BYTES],
}

/// What is read of a header. What else there is means nothing here.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "given")]
    typ: Option<String>,
    #[serde(default, deserialize_with = "given")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "given")]
    crit: Option<serde::de::IgnoredAny>,
}

/// What is read of the claims. Numbers are whole ones without a sign, and strings are strings.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    #[serde(default, deserialize_with = "given")]
    lxm: Option<String>,
    exp: u64,
    #[serde(default, deserialize_with = "given")]
    iat: Option<u64>,
    #[serde(default, deserialize_with = "given")]
    jti: Option<String>,
}

/// A claim that is there: `null` is none that may be.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl ServiceToken {
    /// Reads a compact JWT.
    ///
    /// # Errors
    /// What is wrong with it, as far as that does not depend on who reads it and when.
    pub fn parse(text: &str) -> Result<Self, TokenFault> {
        if text.len() > SERVICE_TOKEN_BYTES_MAX {
            return Err(TokenFault::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenFault::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Form)?;
        let signature = decode(signature)?.try_into().map_err(|_| TokenFault::Form)?;
        let header: Header = object(header)?;
        let curve = match header.alg.as_str() {
            "ES256" => Curve::P256,
            "ES256K" => Curve::K256,
            _ => return Err(TokenFault::Algorithm),
        };
        if header.crit.is_some() {
            return Err(TokenFault::Critical);
        }
        if header.typ.is_some_and(|typ| is_of_another_kind(&typ)) {
            return Err(TokenFault::Type);
        }
        let claims: Claims = object(claims)?;
        // Which of the account's services speaks is nothing to us: the key is the account's.
        let issuer = claims.iss.split_once('#').map_or(claims.iss.as_str(), |(did, _)| did);
        let issuer = Did::parse(issuer).map_err(|_| TokenFault::Issuer)?;
        let is_signing_key = |kid: &str| kid.strip_prefix(issuer.as_str()).unwrap_or(kid) == SIGNING_KEY;
        if header.kid.is_some_and(|kid| !is_signing_key(&kid)) {
            return Err(TokenFault::KeyName);
        }
        let is_id = |id: &String| (1..=SERVICE_TOKEN_ID_BYTES_MAX).contains(&id.len());
        Ok(Self {
            issuer,
            curve,
            audience: claims.aud.into(),
            method: claims.lxm.map(Into::into),
            expires: claims.exp,
            issued: claims.iat,
            id: claims.jti.filter(is_id).ok_or(TokenFault::Id)?.into(),
            digest: Sha256::digest(signed).into(),
            signature,
        })
    }

    /// Whose it says it is.
    pub fn issuer(&self) -> &Did {
        &self.issuer
    }

    /// Whether it is for this service and method, and counts at this time, in seconds since the epoch.
    ///
    /// # Errors
    /// The first thing that it is not.
    pub fn check(&self, now: u64, service: &Did, method: &str) -> Result<(), TokenFault> {
        let latest = now.saturating_add(LEEWAY_SECONDS);
        if self.expires.saturating_add(LEEWAY_SECONDS) <= now {
            Err(TokenFault::Expired)
        } else if self.expires > latest.saturating_add(AHEAD_SECONDS_MAX) {
            Err(TokenFault::TooFarAhead)
        } else if self.issued.is_some_and(|issued| issued > latest) {
            Err(TokenFault::IssuedAhead)
        } else if !self.is_for(service) {
            Err(TokenFault::Audience)
        } else if self.method.as_deref() != Some(method) {
            Err(TokenFault::Method)
        } else {
            Ok(())
        }
    }

    fn is_for(&self, service: &Did) -> bool {
        let rest = self.audience.strip_prefix(service.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest == SERVICE_FRAGMENT)
    }

    /// Whether this key made it, in either form of a signature: deployed signers write both, and a token counts once
    /// whichever comes.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.curve() == self.curve && key.verifies_digest_in_either_form(&self.digest, &self.signature)
    }

    /// By what it is remembered once it was used.
    pub fn nonce(&self) -> TokenNonce {
        let mut hash = Sha256::new_with_prefix(self.issuer.as_str());
        // No DID has one, so that no two pairs read the same.
        hash.update([0]);
        hash.update(self.id.as_bytes());
        let expires = self.expires.saturating_add(LEEWAY_SECONDS + ON_THE_WAY_SECONDS);
        TokenNonce { hash: hash.finalize().into(), expires }
    }
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceToken").finish_non_exhaustive()
    }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Form)
}

/// A part that is a JSON object. What is not read of it is passed over without recursion.
fn object<T: DeserializeOwned>(part: &str) -> Result<T, TokenFault> {
    let json = decode(part)?;
    // An array of the same values would be read as well.
    let is_object = json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    is_object.then(|| serde_json::from_slice(&json).ok()).flatten().ok_or(TokenFault::Claims)
}

fn is_of_another_kind(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    OTHER_TYPES.contains(&typ.strip_prefix(TYPE_PREFIX).unwrap_or(&typ))
}

#[cfg(test)]
pub(crate) mod tests;

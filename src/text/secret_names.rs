//! Names of query parameters that have a secret as their value, as in signed links.

use percent_encoding::percent_decode_str;

/// Words of such names.
const SECRET_WORDS: [&str; 36] = [
    "accesskey",
    "accesstoken",
    "apikey",
    "auth",
    "authkey",
    "authorization",
    "authtoken",
    "bearer",
    "credential",
    "credentials",
    "hdnea",
    "hdnts",
    "hmac",
    "idtoken",
    "jwt",
    "key",
    "keys",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "passwort",
    "privatekey",
    "pwd",
    "refreshtoken",
    "secret",
    "secretkey",
    "secrets",
    "session",
    "sessionid",
    "sessiontoken",
    "sig",
    "sign",
    "signature",
    "token",
    "tokens",
];
/// Ends of such words that no other word has.
const SECRET_ENDINGS: [&str; 5] = ["token", "password", "secret", "signature", "credential"];

/// Whether a query parameter of this name, which may be escaped, has a secret as its value: one of its words says so.
pub(crate) fn is_secret(parameter: &str) -> bool {
    let name = percent_decode_str(parameter).decode_utf8_lossy();
    words(&name).iter().any(|word| {
        SECRET_WORDS.contains(&word.as_str()) || SECRET_ENDINGS.iter().any(|ending| word.ends_with(ending))
    })
}

/// The words of a name in lower case: they are separated by other characters than letters and digits, or begin with a capital.
/// `AWSAccessKeyId` has the words `aws`, `access`, `key` and `id`.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let is_capital = letter.is_uppercase();
        let follows_small = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let ends_capitals = before.is_some_and(char::is_uppercase)
            && letters.get(at + 1).is_some_and(|after| after.is_lowercase());
        if !letter.is_alphanumeric() || (is_capital && (follows_small || ends_capitals)) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphanumeric(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_secret_by_a_whole_word_of_its_name() {
        for secret in [
            "X-Amz-Signature",
            "X-Amz-Credential",
            "X-Amz-Security-Token",
            "X-Goog-Signature",
            "AWSAccessKeyId",
            "Key-Pair-Id",
            "sig",
            "SIG",
            "apiKey",
            "api_key",
            "api.key",
            "APIKey",
            "apikey",
            "accessToken",
            "user[password]",
            "%73ig",
            "oauth2:token",
            "key2Key",
            "usertoken",
            "clientsecret",
            "awssignature",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for open in [
            "X-Amz-Date",
            "X-Amz-Expires",
            "author",
            "authors",
            "keyboard",
            "keyword",
            "monkey",
            "design",
            "tokenizer",
            "secretary",
            "passage",
            "compass",
            "id",
            "q",
            "",
            "-",
        ] {
            assert!(!is_secret(open), "{open}");
        }
        assert_eq!(words("AWSAccessKeyId"), ["aws", "access", "key", "id"]);
    }
}

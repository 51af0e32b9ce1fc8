//! Upper and lower case as .NET has them: one character for one character, by the rules of a culture.

/// The rules of case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Culture {
    /// Those of no language; .NET has the same for every language but the Turkic ones.
    Invariant,
    /// Turkish and Azerbaijani: the dotted and the dotless i are two letters.
    Turkic,
}

/// Languages of two letters (ISO 639-1).
const LANGUAGES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de \
dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu \
ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng \
nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta \
te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// Languages that have a code of three letters only (ISO 639-2) and a culture in .NET.
const LONGER: &str = "arn chr ckb dsb fil gsw haw hsb ibb kok mni moh nqo nso prs quc quz sah sma smj smn sms syr tzm zgh";

impl Culture {
    /// The culture of that name, `tr-TR` or `tr`; the empty name is the invariant culture.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let name = name.trim();
        if name.is_empty() || name.eq_ignore_ascii_case("invariant") {
            return Ok(Self::Invariant);
        }
        let unknown = || format!("\"{name}\" is not the name of a culture that is known here");
        let mut parts = name.split(['-', '_']);
        let language = parts.next().unwrap_or_default().to_ascii_lowercase();
        let known = match language.len() {
            2 => LANGUAGES.split_ascii_whitespace().any(|code| code == language),
            3 => LONGER.split_ascii_whitespace().any(|code| code == language),
            _ => false,
        };
        let region = |part: &str| {
            (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        if !known || !parts.all(region) {
            return Err(unknown());
        }
        Ok(if matches!(language.as_str(), "tr" | "az") { Self::Turkic } else { Self::Invariant })
    }

    pub(crate) fn lower(self, text: &str) -> String {
        text.chars()
            .map(|c| match (self, c) {
                (Self::Turkic, 'I') => 'ı',
                (Self::Turkic, 'İ') => 'i',
                _ => lower(c),
            })
            .collect()
    }

    pub(crate) fn upper(self, text: &str) -> String {
        text.chars()
            .map(|c| match (self, c) {
                (Self::Turkic, 'i') => 'İ',
                (Self::Turkic, 'ı') => 'I',
                _ => upper(c),
            })
            .collect()
    }
}

/// The lower case, where it is one character.
pub(crate) fn lower(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// The upper case, where it is one character: ß stays.
pub(crate) fn upper(c: char) -> char {
    // These two would become ASCII letters, which .NET's invariant culture does not do.
    if matches!(c, 'ı' | 'ſ') {
        return c;
    }
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// What characters that differ by case only have in common.
pub(crate) fn fold(c: char) -> char {
    lower(upper(c))
}

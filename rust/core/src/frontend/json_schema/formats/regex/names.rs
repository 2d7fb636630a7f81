//! The names of Unicode properties in patterns. Part of the format `regex`.
//!
//! Invariant: each is allowed in `\p{…}` by ECMA-262, tables 67 to 70.
//! Must not know: which characters have a property.

use crate::automaton::text::StringSet;

const CATEGORIES: &str = "Cased_Letter LC Close_Punctuation Pe Connector_Punctuation Pc Control Cc cntrl Currency_Symbol Sc Dash_Punctuation Pd \
    Decimal_Number Nd digit Enclosing_Mark Me Final_Punctuation Pf Format Cf Initial_Punctuation Pi Letter L Letter_Number Nl Line_Separator Zl \
    Lowercase_Letter Ll Mark M Combining_Mark Math_Symbol Sm Modifier_Letter Lm Modifier_Symbol Sk Nonspacing_Mark Mn Number N Open_Punctuation Ps \
    Other C Other_Letter Lo Other_Number No Other_Punctuation Po Other_Symbol So Paragraph_Separator Zp Private_Use Co Punctuation P punct \
    Separator Z Space_Separator Zs Spacing_Mark Mc Surrogate Cs Symbol S Titlecase_Letter Lt Unassigned Cn Uppercase_Letter Lu";

const BINARY: &str = "ASCII ASCII_Hex_Digit AHex Alphabetic Alpha Any Assigned Bidi_Control Bidi_C Bidi_Mirrored Bidi_M Case_Ignorable CI Cased \
    Changes_When_Casefolded CWCF Changes_When_Casemapped CWCM Changes_When_Lowercased CWL Changes_When_NFKC_Casefolded CWKCF \
    Changes_When_Titlecased CWT Changes_When_Uppercased CWU Dash Default_Ignorable_Code_Point DI Deprecated Dep Diacritic Dia Emoji \
    Emoji_Component EComp Emoji_Modifier EMod Emoji_Modifier_Base EBase Emoji_Presentation EPres Extended_Pictographic ExtPict Extender Ext \
    Grapheme_Base Gr_Base Grapheme_Extend Gr_Ext Hex_Digit Hex IDS_Binary_Operator IDSB IDS_Trinary_Operator IDST ID_Continue IDC ID_Start IDS \
    Ideographic Ideo Join_Control Join_C Logical_Order_Exception LOE Lowercase Lower Math Noncharacter_Code_Point NChar Pattern_Syntax Pat_Syn \
    Pattern_White_Space Pat_WS Quotation_Mark QMark Radical Regional_Indicator RI Sentence_Terminal STerm Soft_Dotted SD Terminal_Punctuation \
    Term Unified_Ideograph UIdeo Uppercase Upper Variation_Selector VS White_Space space XID_Continue XIDC XID_Start XIDS";

/// The scripts in wide use; the others can be had in many names and are rarely asked for.
const SCRIPTS: &str = "Arabic Arab Armenian Armn Bengali Beng Bopomofo Bopo Common Zyyy Cyrillic Cyrl Devanagari Deva Ethiopic Ethi Georgian Geor \
    Greek Grek Gujarati Gujr Gurmukhi Guru Han Hani Hangul Hang Hebrew Hebr Hiragana Hira Inherited Zinh Kannada Knda Katakana Kana Khmer Khmr \
    Lao Laoo Latin Latn Malayalam Mlym Mongolian Mong Myanmar Mymr Oriya Orya Sinhala Sinh Syriac Syrc Tamil Taml Telugu Telu Thaana Thaa Thai \
    Tibetan Tibt";

/// All that may stand between the braces of `\p{…}`.
pub(super) fn property_names() -> StringSet {
    let words = |text: &'static str| text.split_ascii_whitespace();
    let with = |prefixes: &'static [&'static str], text| {
        prefixes.iter().flat_map(move |prefix| words(text).map(move |word| format!("{prefix}{word}")))
    };
    let categories = with(&["", "gc=", "General_Category="], CATEGORIES);
    let scripts = with(&["sc=", "Script=", "scx=", "Script_Extensions="], SCRIPTS);
    StringSet::new(categories.chain(with(&[""], BINARY)).chain(scripts))
}

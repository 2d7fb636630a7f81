//! Schemas with texts that satisfy them and texts that do not. Each text is a row.

use super::*;

/// A schema, its valid texts, its invalid texts.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const SCALARS: &[Case] = &[
    ("true", &["null", "-0", "[]", "{\"a\":[1,{}]}", "\"\\u0061\\n\""], &["", "nul", "[1,]", "{,}", "01", "\"\n\""]),
    ("{}", &["1.5e3", "[null,true,false]"], &["tru", "1."]),
    ("{\"type\":\"null\"}", &["null"], &["0", "\"null\""]),
    ("{\"type\":\"boolean\"}", &["true", "false"], &["null", "\"true\""]),
    ("{\"type\":\"integer\"}", &["0", "-7", "1.0", "12345678901234567890"], &["1.5", "\"1\"", "-"]),
    ("{\"type\":[\"integer\",\"string\"]}", &["3", "\"x\""], &["3.5", "null", "[]"]),
    ("{\"type\":[\"integer\",\"number\"]}", &["3.5"], &["\"3\""]),
    (
        "{\"enum\":[1,\"a\",null,[1],{\"k\":true}]}",
        &["1", "1.0", "\"a\"", "\"\\u0061\"", "null", "[1]", "{\"k\":true}"],
        &["2", "\"b\"", "true", "[]", "[1,1]", "{}", "{\"k\":false}", "{\"k\":true,\"l\":1}"],
    ),
    (
        "{\"const\":{\"a\":[1,{\"b\":null}]}}",
        &["{\"a\":[1,{\"b\":null}]}", "{\"a\":[1.0,{\"b\":null}]}"],
        &["{\"a\":[1]}", "{\"a\":[1,{\"b\":0}]}"],
    ),
    ("{\"const\":0}", &["0", "-0", "0.0"], &["1", "false"]),
    ("{\"const\":false}", &["false"], &["0", "true"]),
    ("{\"enum\":[\"a\",\"ab\"],\"minLength\":2}", &["\"ab\""], &["\"a\"", "\"abc\""]),
    ("{\"enum\":[1,2,3],\"minimum\":2}", &["2", "3"], &["1", "4"]),
    ("{\"multipleOf\":0.1}", &["0.30", "0", "-0", "-7.100", "12", "\"x\"", "[1]"], &["0.31", "0.05"]),
    ("{\"type\":\"integer\",\"multipleOf\":2.5}", &["0", "5", "-10.0", "12345678901234567890"], &["2.5", "7", "\"5\""]),
    ("{\"multipleOf\":1.0}", &["3", "3.0", "3e5"], &["3.5"]),
    ("{\"enum\":[1.0,1e2,-0,1e400],\"type\":\"integer\"}", &["1", "1.00", "100", "0", "-0.0"], &["-1", "10", "1.5"]),
    ("{\"minimum\":0,\"exclusiveMaximum\":1}", &["0", "0.5", "0.999", "\"x\""], &["1", "-0.1", "1.0"]),
    ("{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"minimum\":1,\"exclusiveMinimum\":true}", &["1.1", "2"], &["1", "0"]),
    ("{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"const\":1,\"type\":\"integer\"}", &["2"], &["2.5"]),
    ("{\"minLength\":2,\"maxLength\":3}", &["\"ab\"", "\"\\ud83d\\ude00b\"", "\"äöü\"", "5"], &["\"a\"", "\"abcd\"", "\"\\ud83d\\ude00\""]),
    ("{\"pattern\":\"^ab$\"}", &["\"ab\"", "1"], &["\"a\"", "\"abc\"", "\"\""]),
    ("{\"type\":\"string\",\"title\":\"t\",\"default\":1,\"examples\":[2]}", &["\"\""], &["1"]),
];

const LOGIC: &[Case] = &[
    ("{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}", &["\"a\"", "1"], &["1.5", "null"]),
    ("{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", &["1", "2.5", "\"x\""], &["3", "1.5"]),
    ("{\"allOf\":[{\"multipleOf\":4},{\"multipleOf\":6}],\"minimum\":13}", &["24", "36.0", "\"x\""], &["12", "16", "18", "30"]),
    ("{\"oneOf\":[{\"multipleOf\":2},{\"multipleOf\":3}]}", &["2", "-3", "9.0", "4"], &["6", "0", "1", "1.5", "\"x\""]),
    ("{\"type\":\"number\",\"not\":{\"multipleOf\":0.5}}", &["0.1", "3.25"], &["0.5", "3", "0", "2.50"]),
    ("{\"type\":\"integer\",\"multipleOf\":3,\"minimum\":1,\"maximum\":9,\"not\":{\"enum\":[3,9]}}", &["6", "6.0"], &["3", "9", "0", "12"]),
    ("{\"not\":{\"type\":\"string\"}}", &["1", "null", "{}"], &["\"\""]),
    ("{\"not\":{\"enum\":[\"a\",1]}}", &["\"b\"", "2", "\"aa\""], &["\"a\"", "1"]),
    ("{\"allOf\":[{\"minimum\":1},{\"maximum\":2},true]}", &["1", "2", "[]"], &["0", "3"]),
    ("{\"if\":{\"type\":\"string\"},\"then\":{\"maxLength\":1},\"else\":{\"type\":\"null\"}}", &["\"a\"", "null"], &["\"ab\"", "1"]),
    ("{\"then\":false}", &["1"], &[]),
    ("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"null\"}}}", &["null"], &["1"]),
    ("{\"$ref\":\"#/$defs/a~1b%25\",\"maximum\":1,\"$defs\":{\"a/b%\":{\"type\":\"integer\"}}}", &["1"], &["2", "0.5"]),
    (
        "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"#/definitions/a\",\"maximum\":1,\"definitions\":{\"a\":{\"type\":\"integer\"}}}",
        &["2"],
        &["0.5"],
    ),
    (
        "{\"$id\":\"http://x/root\",\"$ref\":\"item#n\",\"$defs\":{\"q\":{\"$id\":\"item\",\"$defs\":{\"z\":{\"$anchor\":\"n\",\"const\":1}}}}}",
        &["1"],
        &["2"],
    ),
    (
        "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"allOf\":[{\"$ref\":\"#foo\"}],\"definitions\":{\"a\":{\"$id\":\"#foo\",\"const\":1}}}",
        &["1"],
        &["2"],
    ),
    ("{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}", &["[]", "[[],[[]]]"], &["1", "[1]"]),
];

const ARRAYS: &[Case] = &[
    ("{\"type\":\"array\"}", &["[]", "[1,\"a\",[]]"], &["{}"]),
    ("{\"items\":{\"type\":\"integer\"}}", &["[]", "[1,2]", "\"x\""], &["[1.5]", "[1,null]"]),
    ("{\"items\":false}", &["[]"], &["[1]"]),
    (
        "{\"prefixItems\":[{\"const\":1},{\"const\":2}],\"items\":{\"const\":3}}",
        &["[]", "[1]", "[1,2]", "[1,2,3,3]"],
        &["[2]", "[1,3]", "[1,2,2]"],
    ),
    ("{\"prefixItems\":[{\"const\":1}]}", &["[1,null]"], &["[2]"]),
    ("{\"items\":[{\"const\":1}],\"additionalItems\":false}", &["[]", "[1]"], &["[1,1]", "[2]"]),
    ("{\"items\":{\"const\":1},\"additionalItems\":false}", &["[1,1]"], &["[2]"]),
    ("{\"minItems\":2}", &["[1,2]", "[1,2,3]", "0"], &["[]", "[1]"]),
    ("{\"maxItems\":2}", &["[]", "[1]", "[1,2]"], &["[1,2,3]"]),
    ("{\"minItems\":2,\"maxItems\":2,\"items\":{\"type\":\"integer\"}}", &["[1,2]"], &["[1]", "[1,2,3]", "[1,\"a\"]"]),
    ("{\"maxItems\":0}", &["[]"], &["[1]"]),
    ("{\"minItems\":1.0}", &["[1]"], &["[]"]),
    (
        "{\"not\":{\"items\":{\"type\":\"string\"}},\"maxItems\":3}",
        &["[1]", "[\"a\",1]", "[\"a\",\"b\",1]"],
        &["[]", "[\"a\"]", "[\"a\",\"b\",\"c\"]", "[\"a\",\"b\",\"c\",1]"],
    ),
    (
        "{\"anyOf\":[{\"items\":{\"type\":\"integer\"},\"minItems\":2},{\"items\":{\"type\":\"string\"},\"maxItems\":1}],\"type\":\"array\"}",
        &["[]", "[1,2]", "[\"a\"]"],
        &["[1]", "[\"a\",\"b\"]", "[1,\"a\"]"],
    ),
    ("{\"oneOf\":[{\"prefixItems\":[{\"const\":1}]},{\"minItems\":2}],\"type\":\"array\"}", &["[]", "[1]", "[2,1]"], &["[1,1]", "[2]"]),
    ("{\"items\":{\"minItems\":1,\"items\":{\"type\":\"null\"}}}", &["[[null],[null,null]]"], &["[[]]", "[[1]]"]),
    ("{\"contains\":{\"const\":1}}", &["[1]", "[0,1,2]", "[1,1]", "{}"], &["[]", "[0,2]", "[[1]]"]),
    ("{\"contains\":true}", &["[null]"], &["[]"]),
    ("{\"contains\":false,\"minContains\":0}", &["[]", "[1]"], &[]),
    ("{\"contains\":{\"const\":1},\"minContains\":2,\"maxContains\":3}", &["[1,0,1]", "[1,1,1,0]"], &["[1]", "[1,0]", "[1,1,1,1]"]),
    ("{\"contains\":{\"const\":1},\"minContains\":0}", &["[]", "[0]"], &[]),
    ("{\"minContains\":2,\"maxContains\":0}", &["[]", "[0]"], &[]),
    ("{\"not\":{\"contains\":{\"const\":1}}}", &["[]", "[0]"], &["[1]", "[0,1]", "1"]),
    ("{\"maxItems\":3,\"contains\":{\"const\":1},\"minContains\":2}", &["[1,1]", "[0,1,1]", "[1,0,1]"], &["[0,0", "[0,1,0", "[1,0,0"]),
    (
        "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"contains\":{\"const\":1},\"minContains\":2,\"maxContains\":0}",
        &["[1]", "[0,1]"],
        &["[]", "[0]"],
    ),
];

const OBJECTS: &[Case] = &[
    ("{\"type\":\"object\"}", &["{}", "{\"a\":1,\"b\":2}"], &["[]", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"a\"}"]),
    (
        "{\"properties\":{\"a\":{\"type\":\"integer\"}}}",
        &["{}", "{\"a\":1}", "{\"b\":\"x\"}", "{\"b\":1,\"a\":1}"],
        &["{\"a\":\"x\"}", "{\"\\u0061\":\"x\"}", "{\"a\":1,\"a\":1}"],
    ),
    (
        "{\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2}},\"required\":[\"a\"],\"additionalProperties\":false}",
        &["{\"a\":1}", "{\"a\":1,\"b\":2}", "{\"\\u0061\":1}"],
        &["{}", "{\"b\":2}", "{\"a\":1,\"c\":3}", "{\"a\":1,\"b\":2,\"b\":2}", "{\"b\":2,\"a\":1}"],
    ),
    ("{\"additionalProperties\":{\"type\":\"integer\"},\"properties\":{\"a\":true}}", &["{\"a\":\"x\",\"b\":1}"], &["{\"b\":\"x\"}"]),
    (
        "{\"patternProperties\":{\"^a$\":{\"const\":1},\"^b$\":{\"const\":2}},\"additionalProperties\":false}",
        &["{}", "{\"b\":2}", "{\"a\":1,\"b\":2}"],
        &["{\"a\":2}", "{\"c\":1}", "{\"a\":1,\"a\":1}"],
    ),
    (
        "{\"patternProperties\":{\"^a$\":{\"minimum\":1}},\"properties\":{\"a\":{\"maximum\":2}}}",
        &["{\"a\":1}", "{\"a\":2}"],
        &["{\"a\":0}", "{\"a\":3}"],
    ),
    ("{\"required\":[\"x\",\"y\"]}", &["{\"x\":1,\"y\":2}", "{\"z\":0,\"y\":1,\"x\":1}"], &["{}", "{\"x\":1}"]),
    ("{\"required\":[\"x\"],\"additionalProperties\":{\"const\":1}}", &["{\"x\":1}"], &["{\"x\":2}", "{}"]),
    ("{\"minProperties\":1,\"maxProperties\":2}", &["{\"a\":1}", "{\"a\":1,\"b\":2}"], &["{}", "{\"a\":1,\"b\":2,\"c\":3}"]),
    ("{\"propertyNames\":{\"maxLength\":2}}", &["{\"ab\":1,\"b\":2}"], &["{\"abc\":1}"]),
    ("{\"propertyNames\":{\"enum\":[\"a\",\"b\"]}}", &["{}", "{\"a\":1,\"b\":1}"], &["{\"c\":1}"]),
    ("{\"propertyNames\":false}", &["{}", "1"], &["{\"a\":1}"]),
    ("{\"not\":{\"propertyNames\":{\"const\":\"a\"}}}", &["{\"b\":1}", "{\"a\":1,\"b\":1}"], &["{}", "{\"a\":1}", "1"]),
    ("{\"dependentRequired\":{\"a\":[\"b\"]}}", &["{}", "{\"b\":1}", "{\"a\":1,\"b\":1}"], &["{\"a\":1}"]),
    (
        "{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"],\"maxProperties\":2}}}",
        &["{\"c\":1}", "{\"a\":1,\"b\":1}"],
        &["{\"a\":1}", "{\"a\":1,\"b\":1,\"c\":1}"],
    ),
    (
        "{\"dependencies\":{\"a\":[\"b\"],\"c\":{\"maxProperties\":1}}}",
        &["{\"a\":1,\"b\":1}", "{\"c\":1}"],
        &["{\"a\":1}", "{\"c\":1,\"d\":1}"],
    ),
    ("{\"properties\":{\"a\":false}}", &["{}", "{\"b\":1}"], &["{\"a\":1}"]),
    (
        "{\"oneOf\":[{\"properties\":{\"t\":{\"const\":\"x\"},\"v\":{\"type\":\"integer\"}},\"required\":[\"t\"]},{\"properties\":{\"t\":{\"const\":\"y\"},\"v\":{\"type\":\"string\"}},\"required\":[\"t\"]}],\"type\":\"object\"}",
        &["{\"t\":\"x\"}", "{\"t\":\"x\",\"v\":1}", "{\"t\":\"y\",\"v\":\"1\"}"],
        &["{}", "{\"t\":\"z\"}", "{\"t\":\"x\",\"v\":\"1\"}", "{\"t\":\"y\",\"v\":1}"],
    ),
    (
        "{\"oneOf\":[{\"required\":[\"a\"]},{\"required\":[\"b\"]}],\"type\":\"object\"}",
        &["{\"a\":1}", "{\"b\":1,\"c\":2}"],
        &["{}", "{\"a\":1,\"b\":1}"],
    ),
    (
        "{\"enum\":[{\"a\":1,\"b\":[2]},{\"a\":1,\"b\":[3]},{\"a\":2}]}",
        &["{\"a\":1,\"b\":[2]}", "{\"a\":1,\"b\":[3]}", "{\"a\":2}"],
        &["{\"a\":1}", "{\"a\":2,\"b\":[2]}", "{\"a\":1,\"b\":[]}"],
    ),
    (
        "{\"properties\":{\"next\":{\"$ref\":\"#\"},\"v\":{\"type\":\"integer\"}},\"required\":[\"v\"],\"additionalProperties\":false}",
        &["{\"v\":1}", "{\"next\":{\"v\":1},\"v\":2}"],
        &["{}", "{\"next\":{},\"v\":1}"],
    ),
    // Declared order, and the free phase after an undeclared key.
    (
        "{\"properties\":{\"a\":true,\"b\":true,\"name\":true}}",
        &[
            "{\"a\":1,\"b\":1,\"name\":1}",
            "{\"b\":1}",
            "{\"z\":1,\"name\":1,\"b\":1,\"a\":1}",
            "{\"b\":1,\"z\":1,\"a\":1}",
            "{\"na\":1,\"name\":2}",
        ],
        &["{\"b\":1,\"a\":1}", "{\"b\":1,\"z\":1,\"b\":1}", "{\"z\":1,\"z\":2}", "{\"b\":1,\"ab\":1}"],
    ),
    (
        "{\"allOf\":[{\"properties\":{\"b\":true}},{\"properties\":{\"c\":true,\"a\":true}}],\"properties\":{\"a\":true}}",
        &["{\"a\":1,\"b\":1,\"c\":1}"],
        &["{\"b\":1,\"a\":1}", "{\"c\":1,\"b\":1}"],
    ),
    (
        "{\"anyOf\":[{\"properties\":{\"a\":true,\"b\":true},\"required\":[\"a\"]},{\"properties\":{\"b\":true,\"a\":true}}]}",
        &["{\"a\":1,\"b\":1}", "{\"b\":1,\"a\":1}"],
        &["{\"a\":1,\"a\":1}"],
    ),
    ("{\"properties\":{\"\":{\"const\":1}},\"additionalProperties\":false}", &["{\"\":1}"], &["{\"\":2}", "{\"a\":1}"]),
];

fn check(cases: &[Case], options: &Options) -> usize {
    let mut rows = 0;
    for (schema, valid, invalid) in cases {
        let runner = compile(schema, options).unwrap_or_else(|e| panic!("{schema}: {e}"));
        for text in *valid {
            assert!(runner.accepts(text), "{text} under {schema}");
        }
        for text in *invalid {
            assert!(!runner.accepts(text), "{text} under {schema}");
        }
        rows += valid.len() + invalid.len();
    }
    rows
}

#[test]
fn texts_are_judged_right() {
    let rows: usize = [SCALARS, LOGIC, ARRAYS, OBJECTS].iter().map(|cases| check(cases, &Options::default())).sum();
    assert!(rows >= 150, "{rows} rows");
}

#[test]
fn schemas_are_refused_by_name() {
    let cases = [
        ("{\"properties\":{\"a\":{\"multipleOf\":0}}}", "/properties/a/multipleOf"),
        ("{\"multipleOf\":-2}", "/multipleOf"),
        ("{\"items\":{\"uniqueItems\":1}}", "/items/uniqueItems"),
        ("{\"type\":\"strin\"}", "/type"),
        ("{\"required\":\"a\"}", "/required"),
        ("{\"properties\":{\"a/b\":5}}", "/properties/a~1b"),
        ("{\"minItems\":-1}", "/minItems"),
        ("{\"minItems\":1.5}", "/minItems"),
        ("{\"anyOf\":[]}", "/anyOf"),
        ("{\"$ref\":\"#/nowhere\"}", "/$ref"),
        ("{\"$ref\":\"http://example.com/x\"}", "/$ref"),
        ("{\"$ref\":\"#\"}", ""),
        ("{\"allOf\":[{\"$ref\":\"#\"}]}", ""),
        ("{\"not\":{\"anyOf\":[{\"$ref\":\"#\"}]}}", ""),
        ("5", ""),
        ("{\"pattern\":\"(\"}", "/pattern"),
        ("{\"$schema\":\"http://example.com/dialect\"}", "/$schema"),
    ];
    for (schema, pointer) in cases {
        match compile(schema, &Options::default()).err() {
            Some(CompileError::Schema { pointer: p, message }) => {
                assert!(!message.is_empty());
                if !pointer.is_empty() {
                    assert_eq!(p, pointer, "{schema}");
                }
            }
            other => panic!("{schema}: {other:?}"),
        }
    }
    for fine in
        ["{\"uniqueItems\":false}", "{\"unevaluatedItems\":true}", "{\"format\":\"shape\"}", "{\"$defs\":{\"a\":{\"multipleOf\":2}}}"]
    {
        compile(fine, &Options::default()).unwrap();
    }
    let annotations = Options { assert_formats: false, ..Options::default() };
    assert!(compile("{\"format\":\"date\"}", &annotations).unwrap().accepts("\"x\""));
}

#[test]
fn what_nothing_satisfies_is_refused() {
    let cases = [
        ("false", ""),
        ("{\"enum\":[]}", ""),
        ("{\"type\":\"integer\",\"minimum\":3,\"maximum\":2}", ""),
        (
            "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}}}",
            "/properties/a",
        ),
        ("{\"type\":\"object\",\"required\":[\"a\"],\"additionalProperties\":false}", ""),
        (
            "{\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"type\":\"object\",\"required\":[\"x\"],\"properties\":{\"x\":{\"$ref\":\"#/$defs/n\"}}}}}",
            "/$defs/n",
        ),
        ("{\"type\":\"array\",\"minItems\":1,\"items\":{\"allOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]}}", "/items"),
        ("{\"type\":\"object\",\"minProperties\":3,\"properties\":{\"a\":{},\"b\":{}},\"additionalProperties\":false}", ""),
        ("{\"type\":\"object\",\"minProperties\":3,\"propertyNames\":{\"enum\":[\"a\",\"b\"]}}", ""),
        ("{\"type\":\"object\",\"minProperties\":2,\"patternProperties\":{\"^a$\":{}},\"additionalProperties\":false}", ""),
        ("{\"allOf\":[{\"type\":\"string\"},{\"not\":{\"type\":\"string\"}}]}", ""),
        ("{\"type\":\"array\",\"minItems\":4,\"maxItems\":3}", ""),
        ("{\"type\":\"array\",\"contains\":{},\"maxContains\":0}", ""),
        ("{\"type\":\"array\",\"contains\":{\"type\":\"null\"},\"items\":{\"type\":\"string\"}}", ""),
        ("{\"type\":\"array\",\"contains\":{\"const\":1},\"maxContains\":1,\"minItems\":2,\"items\":{\"const\":1}}", ""),
        ("{\"type\":\"array\",\"contains\":{\"const\":1},\"minContains\":3000000,\"maxItems\":2000000}", ""),
        ("{\"type\":\"array\",\"contains\":{\"allOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]}}", "/contains"),
    ];
    for (schema, pointer) in cases {
        match compile(schema, &Options::default()).err() {
            Some(CompileError::UnsatisfiableSchema { pointer: p, .. }) => assert_eq!(p, pointer, "{schema}"),
            other => panic!("{schema}: {other:?}"),
        }
    }
}

/// Does some value satisfy the schema?
fn is_possible(schema: &str) -> bool {
    match compile(schema, &Options::default()) {
        Ok(_) => true,
        Err(CompileError::UnsatisfiableSchema { .. }) => false,
        Err(other) => panic!("{schema}: {other}"),
    }
}

#[test]
fn values_that_must_be_there_are_possible_or_not() {
    let cases = [
        ("{\"enum\":[\"a\",3],\"type\":\"string\"}", true),
        ("{\"enum\":[3,null],\"type\":[\"string\",\"null\"]}", true),
        ("{\"enum\":[false],\"type\":\"boolean\"}", true),
        ("{\"enum\":[\"a\",3],\"type\":\"boolean\"}", false),
        ("{\"enum\":[\"a\"],\"minLength\":2}", false),
        ("{\"enum\":[\"a\"],\"const\":\"b\"}", false),
        ("{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"}", true),
        ("{\"type\":\"string\",\"pattern\":\"a^b\"}", false),
        ("{\"type\":\"string\",\"pattern\":\"^aa$\",\"maxLength\":1}", false),
        ("{\"type\":\"string\",\"format\":\"date\"}", true),
        ("{\"type\":\"string\",\"minLength\":2,\"maxLength\":2}", true),
        ("{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}", false),
        ("{\"type\":\"integer\",\"minimum\":3,\"maximum\":3}", true),
        ("{\"type\":\"integer\",\"minimum\":2.5,\"maximum\":3}", true),
        ("{\"type\":\"integer\",\"minimum\":0.5,\"maximum\":0.7}", false),
        ("{\"type\":\"integer\",\"exclusiveMinimum\":2,\"exclusiveMaximum\":3}", false),
        ("{\"type\":\"number\",\"exclusiveMinimum\":2,\"exclusiveMaximum\":3}", true),
        ("{\"type\":\"number\",\"minimum\":3,\"exclusiveMaximum\":3}", false),
        ("{\"type\":\"number\",\"exclusiveMinimum\":3,\"maximum\":3}", false),
        ("{\"type\":\"number\",\"minimum\":4,\"maximum\":3}", false),
        ("{\"type\":\"integer\",\"minimum\":4,\"multipleOf\":7}", true),
        // Patterns with very many states beside a length, or beside another.
        ("{\"type\":\"string\",\"pattern\":\"^(?:c|ab|-{0,30}){3,40}$\",\"maxLength\":100}", true),
        ("{\"type\":\"string\",\"anyOf\":[{\"pattern\":\"c(?:\\\\p{L}{0,30}|x|\\\\P{L})$\"},{\"pattern\":\"^[0-9a-f]{8}$\"}]}", true),
    ];
    for (value, possible) in cases {
        let schema = format!("{{\"type\":\"object\",\"required\":[\"k\"],\"properties\":{{\"k\":{value}}}}}");
        assert_eq!(is_possible(&schema), possible, "{value}");
    }
}

#[test]
fn no_more_different_items_are_asked_for_than_there_are_values() {
    let cases = [
        ("{\"type\":\"number\",\"multipleOf\":0.5,\"minimum\":0,\"maximum\":1}", 3),
        ("{\"type\":\"number\",\"multipleOf\":0.5,\"exclusiveMinimum\":0,\"exclusiveMaximum\":2}", 3),
        ("{\"type\":\"number\",\"multipleOf\":0.5,\"not\":{\"anyOf\":[{\"maximum\":0},{\"minimum\":2}]}}", 3),
        ("{\"type\":\"number\",\"multipleOf\":1e-7,\"minimum\":0.0000001,\"maximum\":0.00000035}", 3),
        ("{\"type\":\"integer\",\"multipleOf\":0.5,\"minimum\":-1.5,\"maximum\":1.5}", 3),
        ("{\"type\":\"integer\",\"multipleOf\":3,\"minimum\":-3,\"maximum\":5}", 3),
        ("{\"type\":\"number\",\"multipleOf\":1e30,\"minimum\":-3,\"maximum\":1e30}", 2),
        ("{\"type\":\"number\",\"multipleOf\":5e499,\"exclusiveMinimum\":1e400,\"maximum\":1e500}", 2),
        ("{\"type\":\"integer\",\"minimum\":9007199254740991,\"maximum\":9007199254740993}", 3),
        ("{\"type\":\"array\",\"prefixItems\":[{\"const\":1}],\"items\":false}", 2),
        ("{\"type\":\"array\",\"items\":{\"enum\":[1,2]},\"maxItems\":1}", 3),
        ("{\"type\":\"array\",\"items\":{\"const\":\"a\"},\"minItems\":1,\"maxItems\":2}", 2),
        ("{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"],\"additionalProperties\":false}", 1),
        ("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"boolean\"},\"b\":{\"const\":null}},\"additionalProperties\":false}", 6),
        ("{\"enum\":[1,2,1.0,[2],[2.0],\"2\",{\"a\":[]}]}", 5),
    ];
    for (items, values) in cases {
        for (least, possible) in [(values, true), (values + 1, false)] {
            let schema = format!("{{\"type\":\"array\",\"items\":{items},\"uniqueItems\":true,\"minItems\":{least}}}");
            assert_eq!(is_possible(&schema), possible, "{schema}");
        }
    }
}

#[test]
fn an_unsatisfiable_schema_names_the_keywords_that_contradict_each_other() {
    let cases: &[(&str, &[&str])] = &[
        ("{\"type\":\"string\",\"minLength\":3,\"maxLength\":2,\"pattern\":\"a\"}", &["/type", "/minLength", "/maxLength"]),
        ("{\"allOf\":[{\"type\":\"string\"},{\"title\":\"x\",\"type\":\"integer\"}]}", &["/allOf/0/type", "/allOf/1/type"]),
        ("{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":false,\"b\":{}}}", &["/type", "/required", "/properties/a"]),
        ("{\"type\":\"string\",\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"minimum\":1,\"type\":\"number\"}}}", &["/type", "/$defs/n/type"]),
        ("{\"type\":\"string\",\"not\":{\"type\":\"string\"}}", &["/type", "/not"]),
        ("{\"enum\":[1,2],\"type\":\"integer\",\"minimum\":3}", &["/enum", "/minimum"]),
        ("{\"anyOf\":[{\"const\":1},{\"const\":2}],\"type\":\"string\"}", &["/anyOf/0/const", "/anyOf/1/const", "/type"]),
        ("{\"enum\":[]}", &["/enum"]),
        ("false", &[""]),
    ];
    for (schema, expected) in cases {
        match compile(schema, &Options::default()).err() {
            Some(CompileError::UnsatisfiableSchema { conflicts, .. }) => assert_eq!(conflicts, *expected, "{schema}"),
            other => panic!("{schema}: {other:?}"),
        }
    }
}

#[test]
fn whitespace_is_free_within_bounds() {
    let runner = compile("{\"properties\":{\"a\":{\"type\":\"array\"}}}", &Options::default()).unwrap();
    for good in [" {\"a\" : [ 1 , 2 ] } ", "\n\t{\n  \"a\": [\r\n    1,\n    2\n  ]\n}\n", "{ }", "7 ", "{    \"a\":[]}"] {
        assert!(runner.accepts(good), "{good:?}");
    }
    for bad in ["{     \"a\":[]}", "{\n\n\"a\":[]}", "7     ", "{\"a\":[1 \n]}"] {
        assert!(!runner.accepts(bad), "{bad:?}");
    }
    let counted = compile("{}", &Options { max_whitespace_cnt: Some(1), ..Options::default() }).unwrap();
    assert!(counted.accepts("[\n1,\t2 ]") && !counted.accepts("[  1]"));
}

#[test]
fn exact_layout_is_what_json_dumps_writes() {
    let schema = "{\"properties\":{\"a\":{\"items\":{}},\"b\":{}}}";
    let flat = compile(schema, &Options { any_whitespace: false, ..Options::default() }).unwrap();
    assert!(flat.accepts("{\"a\": [1, 2, []], \"b\": {}}"));
    for bad in ["{\"a\":[1, 2]}", "{\"a\": [1,2]}", "{ \"a\": 1}", " {}", "{} ", "{\"a\": [ ]}"] {
        assert!(!flat.accepts(bad), "{bad:?}");
    }
    let indented = compile(schema, &Options { any_whitespace: false, indent: Some(2), ..Options::default() }).unwrap();
    assert!(indented.accepts("{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}"));
    assert!(!indented.accepts("{\n  \"a\": [\n    1\n    ]\n}"));
    let separators = Some((",".to_owned(), ":".to_owned()));
    let compact = compile(schema, &Options { any_whitespace: false, separators, ..Options::default() }).unwrap();
    assert!(compact.accepts("{\"a\":[1,2],\"b\":1}") && !compact.accepts("{\"a\": 1}"));
    let wrong = Options { separators: Some((";".to_owned(), ":".to_owned())), ..Options::default() };
    assert!(compile(schema, &wrong).is_err());
}

#[test]
fn strict_mode_refuses_what_is_not_declared() {
    let strict = Options { strict_mode: true, ..Options::default() };
    let cases: &[Case] = &[
        ("{\"type\":\"object\",\"properties\":{\"a\":{}}}", &["{}", "{\"a\":{\"x\":1}}"], &["{\"b\":1}"]),
        ("{\"type\":\"object\",\"properties\":{\"a\":{}},\"additionalProperties\":true}", &["{\"b\":1}"], &[]),
        ("{\"allOf\":[{\"properties\":{\"a\":{}}},{\"properties\":{\"b\":{}}}]}", &["{\"a\":1,\"b\":1}"], &["{\"c\":1}"]),
        ("{\"prefixItems\":[{}]}", &["[]", "[1]"], &["[1,2]"]),
        ("{\"type\":\"array\",\"items\":{\"type\":\"null\"}}", &["[null,null]"], &["[1]"]),
        ("{\"type\":\"array\",\"contains\":{\"const\":1}}", &["[1]", "[1,1]"], &["[]", "[1,0]"]),
        ("{}", &["{\"a\":[1]}"], &[]),
    ];
    check(cases, &strict);
}

#[test]
fn any_order_is_any_order() {
    let options = Options { any_order: true, ..Options::default() };
    let cases: &[Case] = &[(
        "{\"properties\":{\"a\":{\"const\":1},\"b\":{\"const\":2}},\"required\":[\"a\"]}",
        &["{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", "{\"b\":2,\"c\":0,\"a\":1}"],
        &["{\"b\":2}", "{\"b\":2,\"b\":2,\"a\":1}", "{\"c\":1,\"a\":1,\"c\":1}"],
    )];
    check(cases, &options);
}

#[test]
fn the_node_prints_as_it_was_given() {
    let options = Options { strict_mode: true, indent: Some(2), any_whitespace: false, ..Options::default() };
    let grammar = grammar("{\"const\":\"a\\\"\"}", &options, &Limits::default()).unwrap();
    let Expr::Embedded(node) = &grammar.rules()[0].body else { panic!() };
    let printed = node.to_ebnf();
    assert_eq!(printed, "json_schema(\"{\\\"const\\\":\\\"a\\\\\\\"\\\"}\", any_whitespace=false, strict_mode=true, indent=2)");
    let text = grammar.to_string();
    let again = crate::frontend::ebnf::parse(&text, "root", &Limits::default()).unwrap();
    let Expr::Embedded(other) = &again.rules()[0].body else { panic!("{text}") };
    assert_eq!((other.to_ebnf(), other.identity()), (printed, node.identity()));
}

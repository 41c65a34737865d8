use super::*;

#[test]
fn what_is_said_of_the_file_stays_apart() {
    let text = "// All of it.\n\n// One.\n@id(\"a\") permit(principal,action,resource);\n";
    let once = pretty(text).unwrap();
    assert!(
        once.starts_with("// All of it.\n\n// One.\n@id(\"a\")\npermit ("),
        "{once}"
    );
    assert_eq!(pretty(&once).unwrap(), once);
    assert!(pretty("permit (").is_err());
    assert_eq!(pretty("\n").unwrap(), "\n");
}

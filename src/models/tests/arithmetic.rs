//! Arithmetic and element types that depend on the order or the range of operands. The expected numbers are
//! calculated by hand.

use super::graphs::{floats, gate, int, int64s, node, onnx, row, value_info};
use super::*;
use crate::record::BadRow;
use arrow_array::ArrayRef;
use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType as Element;
use tract_tensorflow::tfpb::tensorflow as tf;

const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// The output `y` of each record of a column `x`.
fn outputs(bytes: &[u8], format: ModelFormat, x: &[Value]) -> Vec<Value> {
    let scorer = load(format, bytes).unwrap();
    let rows: Vec<_> = x.iter().map(|x| row(json!({"x": x}))).collect();
    score_rows(scorer.as_ref(), &rows, None).unwrap().iter().map(|r| r["y"].clone()).collect()
}

fn binary_model(node: pb::NodeProto, constant: pb::TensorProto, element: i32, width: i64) -> Vec<u8> {
    onnx(pb::GraphProto {
        node: vec![node],
        initializer: vec![constant],
        input: vec![value_info("x", element, &[None, Some(1)])],
        output: vec![value_info("y", element, &[None, Some(width)])],
        ..Default::default()
    })
}

fn truncated(inputs: &[&str]) -> pb::NodeProto {
    pb::NodeProto { attribute: vec![int("fmod", 1)], ..node("Mod", inputs, "y") }
}

/// The result has the sign of the divisor, or with `fmod` that of the dividend.
#[test]
fn the_remainder_of_a_constant_divided_by_an_input() {
    let seven = || int64s("c", &[1, 1], &[7]);
    let x = [json!(3), json!(-3), json!(100), json!(-100), json!(7), json!(0)];
    let got = outputs(&binary_model(node("Mod", &["c", "x"], "y"), seven(), INT64, 1), ModelFormat::Onnx, &x);
    assert_eq!(got, [json!(1), json!(-2), json!(7), json!(-93), json!(0), Value::Null]);
    let got = outputs(&binary_model(truncated(&["c", "x"]), seven(), INT64, 1), ModelFormat::Onnx, &x);
    assert_eq!(got, [json!(1), json!(1), json!(7), json!(7), json!(0), Value::Null]);
    let half = floats("c", &[], &[-7.5]);
    let got = outputs(&binary_model(truncated(&["c", "x"]), half, FLOAT, 1), ModelFormat::Onnx, &[json!(2), json!(-4)]);
    assert_eq!(got, [json!(-1.5), json!(-3.5)]);
}

#[test]
fn the_remainder_of_an_input_divided_by_a_constant() {
    let x = [json!(3), json!(-3), json!(100), json!(-100)];
    let seven = || int64s("c", &[1, 1], &[7]);
    let got = outputs(&binary_model(node("Mod", &["x", "c"], "y"), seven(), INT64, 1), ModelFormat::Onnx, &x);
    assert_eq!(got, [json!(3), json!(4), json!(2), json!(5)]);
    let got = outputs(&binary_model(truncated(&["x", "c"]), seven(), INT64, 1), ModelFormat::Onnx, &x);
    assert_eq!(got, [json!(3), json!(-3), json!(2), json!(-2)]);
    let three = int64s("c", &[3], &[7, -7, 2]);
    let got = outputs(&binary_model(node("Mod", &["x", "c"], "y"), three, INT64, 3), ModelFormat::Onnx, &x);
    assert_eq!(got, [json!([3, -4, 1]), json!([4, -3, 1]), json!([2, -5, 0]), json!([5, -2, 0])]);
}

/// The dividend is computed and has fewer elements than the divisor.
#[test]
fn the_remainder_of_a_narrow_dividend() {
    let sum = pb::NodeProto { attribute: vec![int("keepdims", 1)], ..node("ReduceSum", &["x", "axis"], "sum") };
    let bytes = onnx(pb::GraphProto {
        node: vec![sum, node("Mod", &["sum", "x"], "m"), node("Add", &["m", "one"], "y")],
        initializer: vec![int64s("axis", &[1], &[1]), int64s("one", &[1], &[1])],
        input: vec![value_info("x", INT64, &[None, Some(2)])],
        output: vec![value_info("y", INT64, &[None, Some(2)])],
        ..Default::default()
    });
    let scorer = load(ModelFormat::Onnx, &bytes).unwrap();
    let got = score_rows(scorer.as_ref(), &[row(json!({"a": 5, "b": 7})), row(json!({"a": 4, "b": -9}))], None);
    assert_eq!(got.unwrap(), [row(json!({"y": [3, 6]})), row(json!({"y": [4, -4]}))]);
}

fn tf_node(name: &str, op: &str, input: &[&str], attr: Vec<(&str, tf::attr_value::Value)>) -> tf::NodeDef {
    let attr = attr.into_iter().map(|(k, v)| (k.to_owned(), tf::AttrValue { value: Some(v) })).collect();
    tf::NodeDef {
        name: name.into(),
        op: op.into(),
        input: input.iter().map(ToString::to_string).collect(),
        attr,
        ..Default::default()
    }
}

#[test]
fn floor_mod_of_tensorflow_has_the_sign_of_the_divisor() {
    use tf::attr_value::Value::{Shape, Tensor, Type};
    let shape = |sizes: &[i64]| tf::TensorShapeProto {
        dim: sizes.iter().map(|size| tf::tensor_shape_proto::Dim { size: *size, ..Default::default() }).collect(),
        unknown_rank: false,
    };
    let dtype = || Type(tf::DataType::DtFloat.into());
    let seven = tf::TensorProto {
        dtype: tf::DataType::DtFloat.into(),
        tensor_shape: Some(shape(&[1, 1])),
        float_val: vec![7.0],
        ..Default::default()
    };
    let model = |inputs: &[&str]| {
        let node = vec![
            tf_node("x", "Placeholder", &[], vec![("dtype", dtype()), ("shape", Shape(shape(&[-1, 1])))]),
            tf_node("c", "Const", &[], vec![("dtype", dtype()), ("value", Tensor(seven.clone()))]),
            tf_node("y", "FloorMod", inputs, vec![("T", dtype())]),
        ];
        tf::GraphDef { node, ..Default::default() }.encode_to_vec()
    };
    let x = [json!(3), json!(-3), json!(100)];
    let got = outputs(&model(&["x", "c"]), ModelFormat::Tensorflow, &x);
    assert_eq!(got, [json!(3.0), json!(4.0), json!(2.0)]);
    let got = outputs(&model(&["c", "x"]), ModelFormat::Tensorflow, &x);
    assert_eq!(got, [json!(1.0), json!(-2.0), json!(7.0)]);
}

/// `y` is `x` as a 64-bit integer.
fn cast_model(element: Element) -> Vec<u8> {
    onnx(pb::GraphProto {
        node: vec![pb::NodeProto { attribute: vec![int("to", INT64.into())], ..node("Cast", &["x"], "y") }],
        input: vec![value_info("x", element.into(), &[None, Some(1)])],
        output: vec![value_info("y", INT64, &[None, Some(1)])],
        ..Default::default()
    })
}

#[test]
fn inputs_of_every_integer_type_take_the_numbers_of_their_range() {
    let cases: [(Element, &str, i64, i64); 4] = [
        (Element::Int8, "int", -128, 127),
        (Element::Int16, "int", -32768, 32767),
        (Element::Uint8, "int", 0, 255),
        (Element::Uint16, "int", 0, 65535),
    ];
    for (element, column, min, max) in cases {
        let model = gate(cast_model(element), &[]).unwrap();
        assert_eq!(model.warning, None, "{element:?}");
        let takes = model.scorer.signature().to_string();
        assert_eq!(takes, format!("x: {column} [n, 1] -> y: bigint"), "{element:?}");
        let x = [json!(min), json!(max), json!(5), json!(min - 1), Value::Null, json!(max.wrapping_add(1))];
        let got = outputs(&cast_model(element), ModelFormat::Onnx, &x);
        let expected = [json!(min), json!(max), json!(5), Value::Null, Value::Null, Value::Null];
        assert_eq!(got, expected, "{element:?}");
    }
    // tract casts these through a signed 32-bit integer: a wrong number is worse than a refusal.
    for element in [Element::Uint32, Element::Uint64] {
        assert!(load(ModelFormat::Onnx, &cast_model(element)).is_err(), "{element:?}");
    }
    let scorer = load(ModelFormat::Onnx, &cast_model(Element::Uint8)).unwrap();
    let column: ArrayRef = Arc::new(arrow_array::Int32Array::from(vec![1, 256, 3]));
    let scored = scorer.score(&[column]).unwrap();
    assert_eq!(
        scored.bad,
        [BadRow {
            row: 1,
            error: "the model cannot be evaluated on this record: input `x` takes unsigned 8-bit integers, 256 is \
                    out of range"
                .into()
        }]
    );
}

#[test]
fn inputs_in_half_precision_take_floats() {
    let bytes = onnx(pb::GraphProto {
        node: vec![pb::NodeProto { attribute: vec![int("to", FLOAT.into())], ..node("Cast", &["x"], "y") }],
        input: vec![value_info("x", Element::Float16.into(), &[None, Some(2)])],
        output: vec![value_info("y", FLOAT, &[None, Some(2)])],
        ..Default::default()
    });
    let scorer = load(ModelFormat::Onnx, &bytes).unwrap();
    assert_eq!(scorer.signature().to_string(), "x: float [n, 2] -> y: list<float>");
    let got = score_rows(scorer.as_ref(), &[row(json!({"a": 1.5, "b": 2049.0}))], None).unwrap();
    assert_eq!(got, [row(json!({"y": [1.5, 2048.0]}))]);
}

/// Casts of tract go through signed 32-bit integers. A number that no column can hold is a bad record.
#[test]
fn unsigned_outputs_keep_their_numbers() {
    let picked = |element: Element, raw: Vec<u8>| {
        let table = pb::TensorProto {
            name: "table".into(),
            dims: vec![3],
            data_type: element.into(),
            raw_data: raw,
            ..Default::default()
        };
        onnx(pb::GraphProto {
            node: vec![node("Gather", &["table", "x"], "y")],
            initializer: vec![table],
            input: vec![value_info("x", INT64, &[None, Some(1)])],
            output: vec![value_info("y", element.into(), &[None, Some(1)])],
            ..Default::default()
        })
    };
    let x = [json!(0), json!(1), json!(2)];
    let small: Vec<u8> = [1u32, 3_000_000_000, u32::MAX].iter().flat_map(|v| v.to_le_bytes()).collect();
    let got = outputs(&picked(Element::Uint32, small), ModelFormat::Onnx, &x);
    assert_eq!(got, [json!(1), json!(3_000_000_000_u32), json!(u32::MAX)]);
    let large: Vec<u8> = [1u64, i64::MAX as u64, i64::MAX as u64 + 1].iter().flat_map(|v| v.to_le_bytes()).collect();
    let got = outputs(&picked(Element::Uint64, large), ModelFormat::Onnx, &x);
    assert_eq!(got, [json!(1), json!(i64::MAX), Value::Null]);
}

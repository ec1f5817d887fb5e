//! Small ONNX graphs by hand: which are refused at load and with what message, and what becomes of records
//! that a graph cannot be evaluated on.

use super::*;
use prost::Message;
use tract_onnx::pb;

pub(super) fn value_info(name: &str, elem_type: i32, dims: &[Option<i64>]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value as Dim};
    let dim = |d: &Option<i64>| Dimension {
        value: Some(d.map_or(Dim::DimParam("batch".into()), Dim::DimValue)),
        ..Dimension::default()
    };
    let shape = Some(pb::TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = pb::type_proto::Tensor { elem_type, shape };
    let r#type = Some(pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() });
    pb::ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}

pub(super) fn node(op: &str, inputs: &[&str], output: &str) -> pb::NodeProto {
    pb::NodeProto {
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        op_type: op.into(),
        ..Default::default()
    }
}

pub(super) fn floats(name: &str, dims: &[i64], values: &[f32]) -> pb::TensorProto {
    pb::TensorProto {
        name: name.into(),
        dims: dims.into(),
        data_type: 1,
        float_data: values.into(),
        ..Default::default()
    }
}

pub(super) fn onnx(graph: pb::GraphProto) -> Vec<u8> {
    let opset_import = vec![pb::OperatorSetIdProto { domain: String::new(), version: 13 }];
    pb::ModelProto { ir_version: 7, opset_import, graph: Some(graph), ..Default::default() }.encode_to_vec()
}

pub(super) fn row(json: Value) -> Map<String, Value> {
    json.as_object().unwrap().clone()
}

#[test]
fn several_inputs_are_fed_by_their_names() {
    let graph = pb::GraphProto {
        node: vec![node("Sub", &["a", "b"], "d")],
        input: vec![value_info("a", 1, &[None, Some(1)]), value_info("b", 1, &[None, Some(1)])],
        output: vec![value_info("d", 1, &[None, Some(1)])],
        ..Default::default()
    };
    let scorer = load(ModelFormat::Onnx, &onnx(graph)).unwrap();
    assert_eq!(scorer.signature().to_string(), "a: float, b: float -> d: float");
    let got = score_rows(scorer.as_ref(), &[row(json!({"b": 1, "a": 5.5}))], None).unwrap();
    assert_eq!(got, [row(json!({"d": 4.5}))]);
    let by_order = [String::from("x"), String::from("y")];
    let got = score_rows(scorer.as_ref(), &[row(json!({"y": 1, "x": 2}))], Some(&by_order)).unwrap();
    assert_eq!(got, [row(json!({"d": 1.0}))]);
}

#[test]
fn the_number_of_features_is_inferred_if_the_file_leaves_it_open() {
    let graph = pb::GraphProto {
        node: vec![node("MatMul", &["x", "w"], "y")],
        initializer: vec![floats("w", &[2, 1], &[1.0, 10.0])],
        input: vec![value_info("x", 1, &[None, None])],
        output: vec![value_info("y", 1, &[None, Some(1)])],
        ..Default::default()
    };
    let scorer = load(ModelFormat::Onnx, &onnx(graph)).unwrap();
    assert_eq!(scorer.signature().inputs.columns(), 2);
    let got = score_rows(scorer.as_ref(), &[row(json!({"p": 1, "q": 2}))], None).unwrap();
    assert_eq!(got, [row(json!({"y": 21.0}))]);
}

#[test]
fn a_model_with_a_fixed_batch_size_is_refused() {
    let graph = |n| pb::GraphProto {
        node: vec![node("Relu", &["x"], "y")],
        input: vec![value_info("x", 1, &[Some(n), Some(2)])],
        output: vec![value_info("y", 1, &[Some(n), Some(2)])],
        ..Default::default()
    };
    let error = load(ModelFormat::Onnx, &onnx(graph(8))).unwrap_err().to_string();
    assert!(error.contains("takes exactly 8 records at a time"), "{error}");
    assert!(load(ModelFormat::Onnx, &onnx(graph(1))).is_ok());
}

#[test]
fn an_output_without_one_row_per_record_is_refused() {
    let graph = pb::GraphProto {
        node: vec![node("Transpose", &["x"], "y")],
        input: vec![value_info("x", 1, &[None, Some(2)])],
        output: vec![value_info("y", 1, &[])],
        ..Default::default()
    };
    let error = load(ModelFormat::Onnx, &onnx(graph)).unwrap_err().to_string();
    assert!(error.contains("`y`"), "{error}");
}

#[test]
fn a_tensor_with_a_wrong_shape_is_refused_before_it_is_allocated() {
    for dims in [&[1 << 40, 1 << 20][..], &[i64::MAX, i64::MAX], &[-1], &[1 << 36]] {
        let graph = pb::GraphProto {
            node: vec![node("Add", &["x", "w"], "y")],
            initializer: vec![floats("w", dims, &[1.0])],
            input: vec![value_info("x", 1, &[None, Some(1)])],
            output: vec![value_info("y", 1, &[None, Some(1)])],
            ..Default::default()
        };
        let error = load(ModelFormat::Onnx, &onnx(graph)).unwrap_err().to_string();
        assert!(error.contains("tensor `w` does not contain as many elements as its shape declares"), "{error}");
    }
}

#[test]
fn an_input_with_too_many_elements_is_refused() {
    let graph = pb::GraphProto {
        node: vec![node("Relu", &["x"], "y")],
        input: vec![value_info("x", 1, &[None, Some(1 << 40)])],
        output: vec![value_info("y", 1, &[None, Some(1 << 40)])],
        ..Default::default()
    };
    let error = load(ModelFormat::Onnx, &onnx(graph)).unwrap_err().to_string();
    assert!(error.contains("which no record can fill"), "{error}");
}

#[test]
fn external_weights_are_refused() {
    let mut weights = floats("w", &[1], &[]);
    weights.data_location = Some(1);
    weights.external_data = vec![pb::StringStringEntryProto { key: "location".into(), value: "/etc/passwd".into() }];
    let graph = pb::GraphProto {
        node: vec![node("Add", &["x", "w"], "y")],
        initializer: vec![weights],
        input: vec![value_info("x", 1, &[None, Some(1)])],
        output: vec![value_info("y", 1, &[None, Some(1)])],
        ..Default::default()
    };
    let error = load(ModelFormat::Onnx, &onnx(graph)).unwrap_err().to_string();
    assert!(error.contains("has its values in another file"), "{error}");
}

pub(super) fn int(name: &str, value: i64) -> pb::AttributeProto {
    use pb::attribute_proto::AttributeType;
    pb::AttributeProto { name: name.into(), r#type: AttributeType::Int.into(), i: value, ..Default::default() }
}

pub(super) fn ints(name: &str, values: &[i64]) -> pb::AttributeProto {
    use pb::attribute_proto::AttributeType;
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints.into(),
        ints: values.into(),
        ..Default::default()
    }
}

pub(super) fn attribute_floats(name: &str, values: &[f32]) -> pb::AttributeProto {
    use pb::attribute_proto::AttributeType;
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Floats.into(),
        floats: values.into(),
        ..Default::default()
    }
}

fn text(name: &str, value: &str) -> pb::AttributeProto {
    use pb::attribute_proto::AttributeType;
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::String.into(),
        s: value.into(),
        ..Default::default()
    }
}

fn strings(name: &str, values: &[&str]) -> pb::AttributeProto {
    use pb::attribute_proto::AttributeType;
    pb::AttributeProto {
        name: name.into(),
        r#type: AttributeType::Strings.into(),
        strings: values.iter().map(|v| v.as_bytes().to_vec()).collect(),
        ..Default::default()
    }
}

pub(super) fn int64s(name: &str, dims: &[i64], values: &[i64]) -> pb::TensorProto {
    pb::TensorProto {
        name: name.into(),
        dims: dims.into(),
        data_type: 7,
        int64_data: values.into(),
        ..Default::default()
    }
}

/// A tree with one split, `x <= 0.5`: `left` is the class and weight of the leaf if true, `right` if false.
fn stump(classes: pb::AttributeProto, left: (i64, f32), right: (i64, f32)) -> pb::NodeProto {
    pb::NodeProto {
        name: "trees".into(),
        domain: "ai.onnx.ml".into(),
        output: vec!["label".into(), "scores".into()],
        attribute: vec![
            ints("nodes_nodeids", &[0, 1, 2]),
            ints("nodes_treeids", &[0, 0, 0]),
            ints("nodes_featureids", &[0, 0, 0]),
            ints("nodes_truenodeids", &[1, 0, 0]),
            ints("nodes_falsenodeids", &[2, 0, 0]),
            attribute_floats("nodes_values", &[0.5, 0.0, 0.0]),
            strings("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
            ints("class_treeids", &[0, 0]),
            ints("class_nodeids", &[1, 2]),
            ints("class_ids", &[left.0, right.0]),
            attribute_floats("class_weights", &[left.1, right.1]),
            classes,
        ],
        ..node("TreeEnsembleClassifier", &["x"], "label")
    }
}

fn classifier(node: pb::NodeProto) -> Vec<u8> {
    onnx(pb::GraphProto {
        node: vec![node],
        input: vec![value_info("x", 1, &[None, Some(1)])],
        output: vec![value_info("label", 7, &[None]), value_info("scores", 1, &[None, None])],
        ..Default::default()
    })
}

fn refusal(bytes: &[u8]) -> String {
    load(ModelFormat::Onnx, bytes).map(|s| s.signature().to_string()).unwrap_err().to_string()
}

pub(super) fn gate(bytes: Vec<u8>, golden: &[(Value, Value)]) -> Result<ServedModel, ModelError> {
    let mut descriptor = ModelDescriptor::of("small", "small", ModelFormat::Onnx, bytes);
    let row = |(input, output): &(Value, Value)| GoldenRow { input: input.to_string(), output: output.to_string() };
    descriptor.golden = golden.iter().map(row).collect();
    prepare(Offset(0), &descriptor, 0)
}

// Refusals at load.

#[test]
fn a_tree_ensemble_of_two_classes_that_is_not_in_the_form_of_converters_is_refused() {
    let classes = || ints("classlabels_int64s", &[0, 1]);
    let transformed = |mut node: pb::NodeProto, by: &str| {
        node.attribute.push(text("post_transform", by));
        node
    };
    let mut two_base_values = stump(classes(), (0, 0.1), (0, 0.9));
    two_base_values.attribute.push(attribute_floats("base_values", &[0.5, 0.5]));
    for node in [
        stump(classes(), (1, 0.1), (1, 0.9)),
        stump(classes(), (0, 1.0), (1, 1.0)),
        stump(classes(), (0, -0.1), (0, 0.9)),
        transformed(stump(classes(), (0, 0.1), (0, 0.9)), "LOGISTIC"),
        transformed(stump(classes(), (0, -0.1), (0, 0.9)), "SOFTMAX"),
        two_base_values,
        stump(ints("classlabels_int64s", &[3]), (0, 0.1), (0, 0.9)),
    ] {
        assert_eq!(
            refusal(&classifier(node)),
            "node `trees` (`TreeEnsembleClassifier`) of the model has fewer than three classes in a form for which \
             this version would give wrong labels; it supports two classes whose leaves all add to class 0, either \
             weights of at least 0 without a transformation or weights of both signs with LOGISTIC"
        );
    }
}

/// The label and the second score of the records 0 and 1 of a two-class ensemble, with the classes 5 and 7.
fn two_classes(weights: (f32, f32), attributes: &[pb::AttributeProto]) -> [(Value, f64); 2] {
    let mut node = stump(ints("classlabels_int64s", &[5, 7]), (0, weights.0), (0, weights.1));
    node.attribute.extend_from_slice(attributes);
    let scorer = load(ModelFormat::Onnx, &classifier(node)).unwrap();
    assert_eq!(scorer.signature().to_string(), "x: float [n, 1] -> label: bigint, scores: list<float>");
    let got = score_rows(scorer.as_ref(), &[row(json!({"x": 0})), row(json!({"x": 1}))], None).unwrap();
    [0_usize, 1].map(|i| {
        let (first, second) = (got[i]["scores"][0].as_f64().unwrap(), got[i]["scores"][1].as_f64().unwrap());
        assert!((first + second - 1.0).abs() < 1e-6, "{first} {second}");
        (got[i]["label"].clone(), (second * 1e4).round() / 1e4)
    })
}

#[test]
fn the_score_of_two_classes_is_that_of_the_second() {
    assert_eq!(two_classes((0.25, 0.75), &[]), [(json!(5), 0.25), (json!(7), 0.75)]);
    assert_eq!(two_classes((0.5, 0.501), &[]), [(json!(5), 0.5), (json!(7), 0.501)]);
    let base = |value| attribute_floats("base_values", &[value]);
    assert_eq!(two_classes((0.25, 0.75), &[base(0.375)]), [(json!(7), 0.625), (json!(7), 1.125)]);
    let logistic = || text("post_transform", "LOGISTIC");
    assert_eq!(two_classes((-2.0, 1.0), &[logistic()]), [(json!(5), 0.1192), (json!(7), 0.7311)]);
    assert_eq!(two_classes((-2.0, 1.0), &[logistic(), base(-1.0)]), [(json!(5), 0.0474), (json!(5), 0.5)]);
}

#[test]
fn scores_that_are_equal_after_the_transformation_do_not_decide_the_label() {
    let mut node = stump(ints("classlabels_int64s", &[3, 4, 5]), (1, 40.0), (2, 40.0));
    node.attribute.extend([attribute_floats("base_values", &[30.0, 0.0, 0.0]), text("post_transform", "LOGISTIC")]);
    let scorer = load(ModelFormat::Onnx, &classifier(node)).unwrap();
    let got = score_rows(scorer.as_ref(), &[row(json!({"x": 0})), row(json!({"x": 1}))], None).unwrap();
    for (got, label, scores) in [(&got[0], 4, json!([1.0, 1.0, 0.5])), (&got[1], 5, json!([1.0, 0.5, 1.0]))] {
        assert_eq!(got["label"], json!(label));
        assert!(agree(&got["scores"], &scores, 1e-6, 1e-6), "{got:?}");
    }
}

#[test]
fn a_tree_ensemble_of_three_classes_predicts_the_class_of_the_leaf() {
    let bytes = classifier(stump(ints("classlabels_int64s", &[3, 4, 5]), (1, 1.0), (2, 1.0)));
    let scorer = load(ModelFormat::Onnx, &bytes).unwrap();
    let got = score_rows(scorer.as_ref(), &[row(json!({"x": 0.5})), row(json!({"x": 0.75}))], None).unwrap();
    assert_eq!(got[0], row(json!({"label": 4, "scores": [0.0, 1.0, 0.0]})));
    assert_eq!(got[1], row(json!({"label": 5, "scores": [0.0, 0.0, 1.0]})));
}

#[test]
fn string_classes_are_refused_with_the_name_of_the_node() {
    let trees = stump(strings("classlabels_strings", &["low", "medium", "high"]), (1, 1.0), (2, 1.0));
    let linear = pb::NodeProto {
        attribute: vec![
            strings("classlabels_strings", &["low", "medium", "high"]),
            attribute_floats("coefficients", &[1.0, 0.0, -1.0]),
            attribute_floats("intercepts", &[0.0, 0.5, 1.0]),
        ],
        op_type: "LinearClassifier".into(),
        ..trees.clone()
    };
    for node in [trees, linear] {
        let operator = node.op_type.clone();
        assert_eq!(
            refusal(&classifier(node)),
            format!(
                "node `trees` (`{operator}`) of the model has strings as classes, which this version cannot evaluate; \
                 export the model with whole numbers as classes"
            )
        );
    }
}

#[test]
fn base_values_that_are_not_one_per_class_are_refused_with_the_name_of_the_node() {
    let mut trees = stump(ints("classlabels_int64s", &[3, 4, 5]), (1, 1.0), (2, 1.0));
    trees.attribute.push(attribute_floats("base_values", &[0.5, 0.5]));
    assert_eq!(
        refusal(&classifier(trees)),
        "node `trees` (`TreeEnsembleClassifier`) of the model has 2 `base_values` for 3 classes; it must have none or one per class"
    );
}

#[test]
fn attributes_in_double_precision_are_refused_with_the_name_of_the_node() {
    for name in ["base_values_as_tensor", "nodes_values_as_tensor", "class_weights_as_tensor"] {
        let mut trees = stump(ints("classlabels_int64s", &[3, 4, 5]), (1, 1.0), (2, 1.0));
        let values = pb::TensorProto {
            dims: vec![3],
            data_type: pb::tensor_proto::DataType::Double.into(),
            double_data: vec![9.0, 0.0, 0.0],
            ..Default::default()
        };
        let r#type = pb::attribute_proto::AttributeType::Tensor.into();
        trees.attribute.push(pb::AttributeProto { name: name.into(), r#type, t: Some(values), ..Default::default() });
        assert_eq!(
            refusal(&classifier(trees)),
            format!(
                "node `trees` (`TreeEnsembleClassifier`) of the model has the attribute `{name}`, which this version \
                 cannot evaluate; export the model in single precision"
            )
        );
    }
}

#[test]
fn a_graph_with_a_fixed_batch_size_is_refused_with_the_name_of_the_node() {
    let graph = pb::GraphProto {
        node: vec![
            pb::NodeProto { name: "flat".into(), ..node("Reshape", &["x", "shape"], "r") },
            pb::NodeProto {
                name: "joined".into(),
                attribute: vec![int("axis", 1)],
                ..node("Concat", &["x", "r"], "y")
            },
        ],
        initializer: vec![int64s("shape", &[2], &[1, 2])],
        input: vec![value_info("x", 1, &[Some(1), Some(2)])],
        output: vec![value_info("y", 1, &[Some(1), Some(4)])],
        ..Default::default()
    };
    assert_eq!(
        refusal(&onnx(graph)),
        "the ONNX model cannot be read: its node `flat` does not accept an arbitrary number of records; export the model \
         with an open first dimension"
    );
}

#[test]
fn an_output_without_elements_is_refused() {
    let graph = pb::GraphProto {
        node: vec![node("Slice", &["x", "zero", "zero", "axis"], "y")],
        initializer: vec![int64s("zero", &[1], &[0]), int64s("axis", &[1], &[1])],
        input: vec![value_info("x", 1, &[None, Some(2)])],
        output: vec![value_info("y", 1, &[None, Some(0)])],
        ..Default::default()
    };
    assert_eq!(refusal(&onnx(graph)), "output `y` of the model has no elements: its shape is [n, 0]");
}

// Records that fail.

/// `y` is the element of [10, 20, 30] at index `x`.
fn lookup_model() -> Vec<u8> {
    onnx(pb::GraphProto {
        node: vec![node("Gather", &["table", "x"], "y")],
        initializer: vec![floats("table", &[3], &[10.0, 20.0, 30.0])],
        input: vec![value_info("x", 7, &[None, Some(1)])],
        output: vec![value_info("y", 1, &[None, Some(1)])],
        ..Default::default()
    })
}

#[test]
fn records_that_fail_in_a_batch_are_bad_and_the_others_are_scored() {
    let scorer = load(ModelFormat::Onnx, &lookup_model()).unwrap();
    let values: Vec<i64> = (0..200).map(|i| if [0, 63, 64, 130, 199].contains(&i) { 7 } else { i % 3 }).collect();
    let column: ArrayRef = Arc::new(arrow_array::Int64Array::from(values.clone()));
    let scored = scorer.score(&[column]).unwrap();
    let bad: Vec<_> = scored.bad.iter().map(|b| b.row).collect();
    assert_eq!(bad, [0, 63, 64, 130, 199]);
    assert!(
        scored.bad[0].error.starts_with("the model cannot be evaluated on this record: "),
        "{}",
        scored.bad[0].error
    );
    let got = arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Float32Type>(&scored.outputs[0]);
    let expected = values.iter().map(|v| [10.0, 20.0, 30.0].get(*v as usize).copied());
    assert_eq!(got.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn bad_records_have_null_outputs() {
    let scorer = load(ModelFormat::Onnx, &lookup_model()).unwrap();
    let rows = [row(json!({"x": 2})), row(json!({"x": 9})), row(json!({"x": null})), row(json!({"x": 0}))];
    let got = score_rows(scorer.as_ref(), &rows, None).unwrap();
    assert_eq!(
        got,
        [row(json!({"y": 30.0})), row(json!({"y": null})), row(json!({"y": null})), row(json!({"y": 10.0}))]
    );
    let all_bad = score_rows(scorer.as_ref(), &[row(json!({"x": 9})), row(json!({"x": -9}))], None).unwrap();
    assert_eq!(all_bad, [row(json!({"y": null})), row(json!({"y": null}))]);
}

// Warm-up and padding.

/// `y` is `100 operator x` in integers.
fn integer_model(operator: &str) -> Vec<u8> {
    onnx(pb::GraphProto {
        node: vec![node(operator, &["hundred", "x"], "y")],
        initializer: vec![int64s("hundred", &[1, 1], &[100])],
        input: vec![value_info("x", 7, &[None, Some(1)])],
        output: vec![value_info("y", 7, &[None, Some(1)])],
        ..Default::default()
    })
}

#[test]
fn integer_division_serves_because_neither_warm_up_nor_padding_is_zero() {
    for (operator, expected) in [("Div", 14), ("Mod", 2)] {
        let model = gate(integer_model(operator), &[]).unwrap();
        let rows = [row(json!({"x": 7})), row(json!({"x": null})), row(json!({"x": 0}))];
        let got = score_rows(model.scorer.as_ref(), &rows, None).unwrap();
        assert_eq!(got, [row(json!({"y": expected})), row(json!({"y": null})), row(json!({"y": null}))], "{operator}");
    }
}

/// `y` is the element of [10, 20, 30] at index `x - 100`: every invented record is out of range.
fn offset_lookup_model() -> Vec<u8> {
    onnx(pb::GraphProto {
        node: vec![node("Sub", &["x", "hundred"], "i"), node("Gather", &["table", "i"], "y")],
        initializer: vec![floats("table", &[3], &[10.0, 20.0, 30.0]), int64s("hundred", &[1, 1], &[100])],
        input: vec![value_info("x", 7, &[None, Some(1)])],
        output: vec![value_info("y", 1, &[None, Some(1)])],
        ..Default::default()
    })
}

#[test]
fn a_failed_warm_up_on_invented_records_is_a_warning() {
    let model = gate(offset_lookup_model(), &[]).unwrap();
    let got = score_rows(model.scorer.as_ref(), &[row(json!({"x": 101}))], None).unwrap();
    assert_eq!(got, [row(json!({"y": 20.0}))]);
    let warning = model.warning.unwrap();
    assert!(warning.starts_with("its warm-up on invented records failed: "), "{warning}");
}

#[test]
fn golden_rows_replace_the_warm_up_on_invented_records() {
    let good = (json!({"x": 102}), json!({"y": 30.0}));
    assert_eq!(gate(offset_lookup_model(), std::slice::from_ref(&good)).unwrap().warning, None);
    let bad = (json!({"x": 0}), json!({"y": 30.0}));
    let error = gate(offset_lookup_model(), &[good, bad]).unwrap_err();
    assert!(matches!(&error, ModelError::Golden { row: 2, .. }), "{error}");
}

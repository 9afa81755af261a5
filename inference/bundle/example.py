"""Prints the probabilities of expected.json again, by OpenCV and without Caffe. Run it here: python3 example.py"""
import cv2, json
recipe, eyes = (json.load(open(name)) for name in ("recipe.json", "expected.json"))
storage = cv2.FileStorage("mean.yml", cv2.FILE_STORAGE_READ)
mean, edge, crop = storage.getNode("mean").mat(), recipe["input"]["edge"], recipe["input"]["crop"]
nets = [(cv2.dnn.readNetFromCaffe(net["prototxt"], net["caffemodel"]), net["outputs"]) for net in recipe["networks"]]
for eye in eyes:
    pictures = [(cv2.imread(each["file"]) - mean)[edge:edge + crop, edge:edge + crop] for each in eye["pictures"]]
    for net, _ in nets: net.setInput(cv2.dnn.blobFromImages(pictures, recipe["input"]["scale"]))
    print(eye["image"], *(p[:, 1].mean() for net, outputs in nets for p in net.forward(outputs)))

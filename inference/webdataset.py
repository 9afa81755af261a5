"""Counts the samples of each stage. Run it beside the tars: python3 read.py"""
import collections, glob
import webdataset as wds
stages = collections.Counter()
dataset = wds.WebDataset(sorted(glob.glob("*.tar")), shardshuffle=False).decode("pil").to_tuple("png", "cls", "json")
for picture, stage, about in dataset:
    assert picture.size == (about["size"], about["size"]) and stage == about["stage"]
    stages[stage] += 1
print(*(stages[stage] for stage in range(5)))

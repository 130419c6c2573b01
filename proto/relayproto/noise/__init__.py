"""The contract: the Noise Protocol Framework, revision 34, in the paper's own objects."""

import type {A} from '../a/a';

export interface B { readonly a: A }
